/**
 * Properties of a line outside its record (`$digest`, `$bucket`), as entries like those of the tape, so that rules read them like any value,
 * and the location of its object, as encoded attributes.
 */
import type { IdentifiedLine } from '../../model/line.ts';
import type { ObjectOrigin } from '../../model/object.ts';
import { encodeAttribute } from '../../otlp/protobuf.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Mapping } from '../mapping-file.ts';
import { type LineField, lineFields } from '../mapping-schema.ts';
import type { Address, ProgramImage } from './program-image.ts';

/** Kinds of entries (kernel/assembly/tape.ts). */
const kinds = { true: 3, integer: 4, text: 6 } as const;

const entryBytes = 32;
const wordBytes = 4;
/** More than the length of an S3 key or a path. Longer strings are truncated. */
const textBytesMax = 16_384;
/** Attributes that do not fit are left out. */
const locationBytesMax = 32_768;
/** Location attributes that only rules of the mapping copy, as `$bucket` and `$key`. */
const fieldAttributes = ['aws.s3.bucket', 'aws.s3.key'];

export class LineEntries {
  /** Where the encoded attributes are, and the words that hold their size: one in each list of rules. */
  readonly location: { readonly at: Address; readonly sizesAt: Address[] };
  readonly #isMapped: (attribute: string) => boolean;
  readonly #slots: Address;
  readonly #entries: Address;
  readonly #texts: Address;
  readonly #digestAt: Address;
  #digestLength = 0;
  #origin: ObjectOrigin | undefined;
  #wasCut = false;

  constructor(mapping: Mapping, image: ProgramImage) {
    this.location = { at: image.reserve(locationBytesMax), sizesAt: [] };
    const mapped = attributesOf(mapping);
    this.#isMapped = (name) => mapped.has(name);
    this.#slots = image.reserve(lineFields.length * wordBytes);
    this.#entries = image.reserve(lineFields.length * entryBytes);
    this.#texts = image.reserve(lineFields.length * textBytesMax);
    this.#digestAt = this.#textAt('digest');
  }

  slotOf(field: LineField): Address {
    return this.#slots + lineFields.indexOf(field) * wordBytes;
  }

  /** Fills the slots for a line, except those of the event name and the reason, which the kernel fills. */
  set({ bytes, sizeBytes, digest, origin }: IdentifiedLine, kernel: Kernel): void {
    if (digest.length === this.#digestLength) kernel.bytes.write(digest, this.#digestAt, 'latin1');
    else this.#setText('digest', digest, kernel);
    this.#digestLength = digest.length;
    if (origin !== this.#origin) {
      this.#origin = origin;
      for (const [field, text] of fieldsOf(origin)) this.#setText(field, text, kernel);
      this.#setLocation(origin.location, kernel);
    }
    const isCut = sizeBytes > bytes.length;
    if (!isCut && !this.#wasCut) return;
    this.#wasCut = isCut;
    this.#setText('lineSize', isCut ? String(sizeBytes) : undefined, kernel, 'integer');
    this.#setText('lineCut', isCut ? 'true' : undefined, kernel, 'true');
  }

  #setText(field: LineField, text: string | undefined, { bytes }: Kernel, kind: keyof typeof kinds = 'text'): void {
    const start = this.#textAt(field);
    const entry = this.#entries + lineFields.indexOf(field) * entryBytes;
    const sizeBytes = text === undefined ? 0 : bytes.write(text, start, textBytesMax - entryBytes);
    bytes.writeUInt32LE(sizeBytes === 0 ? 0 : entry, this.slotOf(field));
    const words = entryWords(kind, start, sizeBytes);
    for (const [index, word] of words.entries()) bytes.writeUInt32LE(word, entry + index * wordBytes);
  }

  #setLocation(location: ObjectOrigin['location'], { bytes }: Kernel): void {
    const { at, sizesAt } = this.location;
    let sizeBytes = 0;
    for (const [name, value] of Object.entries(location)) {
      if (name === '' || value === '' || this.#isMapped(name)) continue;
      const encoded = encodeAttribute(name.toWellFormed(), { stringValue: value.toWellFormed() });
      if (sizeBytes + encoded.length > locationBytesMax) continue;
      bytes.set(encoded, at + sizeBytes);
      sizeBytes += encoded.length;
    }
    for (const sizeAt of sizesAt) bytes.writeUInt32LE(sizeBytes, sizeAt);
  }

  #textAt(field: LineField): Address {
    return this.#texts + lineFields.indexOf(field) * textBytesMax;
  }
}

/** Attributes that the mapping writes or removes, which the location must not repeat or bring back. */
function attributesOf({ attributes, removedAttributes, limits }: Mapping): ReadonlySet<string> {
  const flags = [...attributes.values()].flat().flatMap(({ flag }) => flag ?? []);
  return new Set([...fieldAttributes, ...attributes.keys(), ...removedAttributes, ...flags, limits.flag]);
}

function fieldsOf(origin: ObjectOrigin): [LineField, string | undefined][] {
  const { location, fileName, date } = origin;
  const { 'aws.s3.bucket': bucket, 'aws.s3.key': key } = location;
  const [workspaceId, workspaceName] =
    origin.hasWorkspaceName === true ? [undefined, origin.workspaceId] : [origin.workspaceId, undefined];
  return Object.entries({ bucket, key, fileName, workspaceId, workspaceName, date }) as [
    LineField,
    string | undefined,
  ][];
}

/** The first words of an entry: start, end, embedded object, kind. */
function entryWords(kind: keyof typeof kinds, start: Address, sizeBytes: number): number[] {
  return [start, start + sizeBytes, 0, kinds[kind]];
}

/** The entry of a constant string. */
export function textEntry(text: string, image: ProgramImage): Address {
  const { at, sizeBytes } = image.text(text);
  return image.words([...entryWords('text', at, sizeBytes), 0, 0, 0, 0]);
}
