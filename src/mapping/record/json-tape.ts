/**
 * The values of a record by their entries on a tape. Most of what a record holds is only copied from the line into the request, so
 * most of it never has to be anything but bytes.
 */
import { isUtf8 } from 'node:buffer';
import { type Kernel, noObject, type TapeName } from '../kernel/kernel.ts';
import { isContainer, type Kind, kinds, type Tape } from '../kernel/tape.ts';
import { type JsonValue, parseJson } from './exact-json.ts';
import { noKey, type RecordKey, type RecordKeys } from './record-keys.ts';

const [minus, zero] = [0x2d, 0x30];

export class JsonTape {
  readonly #kernel: Kernel;
  readonly #name: TapeName;
  readonly #keys: RecordKeys;
  #tape: Tape;
  #lineBytes = 0;
  #entryCount = 0;

  constructor(kernel: Kernel, name: TapeName, keys: RecordKeys) {
    this.#kernel = kernel;
    this.#name = name;
    this.#keys = keys;
    this.#tape = kernel[name];
  }

  /**
   * Puts the object on the tape; entry 0 is the object itself.
   * @param depthMax containers in each other.
   * @returns the number of its shape, or `unkeptShape`; undefined for anything that is no object in valid JSON, and for what is
   * nested too deeply.
   */
  scanObject(text: Uint8Array, depthMax: number): number | undefined {
    const shape = this.#kernel.scan(this.#name, text, depthMax);
    if (shape === noObject || !(this.#kernel.wasAscii || isUtf8(text))) return undefined;
    this.#lineBytes = text.length;
    this.#entryCount = this.#kernel.entryCount;
    return shape;
  }

  /** Puts the object on the tape that stands in a text of the record, with escapes; see `scanObject`. It cannot be detached. */
  scanObjectInRecord(entry: number, depthMax: number): number | undefined {
    const shape = this.#kernel.scanInRecord(entry, depthMax);
    this.#entryCount = this.#kernel.entryCount;
    // The record is valid UTF-8, and so is what its escapes mean.
    return shape === noObject ? undefined : shape;
  }

  /** Stays as it is when something else is scanned. */
  detached(): JsonTape {
    const copy = new JsonTape(this.#kernel, this.#name, this.#keys);
    copy.#lineBytes = this.#lineBytes;
    copy.#entryCount = this.#entryCount;
    copy.#tape = this.#tape.copy(this.#lineBytes, this.#entryCount);
    return copy;
  }

  get entryCount(): number {
    return this.#entryCount;
  }

  kind(entry: number): Kind {
    return this.#tape.kind(entry);
  }

  /** Where the bytes of a value begin and end. */
  start(entry: number): number {
    return this.#tape.start(entry);
  }

  end(entry: number): number {
    return this.#tape.end(entry);
  }

  /** The entry behind the value and all that is in it. What is in a container begins with the entry behind its own. */
  next(entry: number): number {
    return isContainer(this.kind(entry)) ? this.#tape.next(entry) : entry + 1;
  }

  /** Of a member of an object; else `noKey`. */
  key(entry: number): RecordKey {
    const start = this.#tape.keyStart(entry);
    if (start === 0) return noKey;
    return this.#keys.of(this.#tape.keyNumber(entry), this.#tape.bytes, start, this.#tape.keyEnd(entry));
  }

  /** Of an entry of the kind integer. */
  integer(entry: number): number {
    const { bytes } = this.#tape;
    const end = this.end(entry);
    let at = this.start(entry);
    const isNegative = bytes[at] === minus;
    if (isNegative) at++;
    let value = 0;
    for (; at < end; at++) value = value * 10 + (bytes[at] as number) - zero;
    return isNegative && value !== 0 ? -value : value;
  }

  text(entry: number): string {
    return this.kind(entry) === kinds.escapedText ? this.#escapedText(entry) : this.plainText(entry);
  }

  /** Of an entry of the kind text. */
  plainText(entry: number): string {
    return this.#tape.bytes.toString('utf8', this.start(entry), this.end(entry));
  }

  #escapedText(entry: number): string {
    return JSON.parse(this.#tape.bytes.toString('utf8', this.start(entry) - 1, this.end(entry) + 1)) as string;
  }

  /** The entry as what JSON.parse makes of it; numbers keep their digits. */
  value(entry: number): JsonValue {
    switch (this.kind(entry)) {
      case kinds.null:
        return null;
      case kinds.emptyText:
        return '';
      case kinds.false:
        return false;
      case kinds.true:
        return true;
      case kinds.integer:
        return this.integer(entry);
      case kinds.text:
      case kinds.escapedText:
        return this.text(entry);
      default:
        return parseJson(this.#tape.bytes.toString('utf8', this.start(entry), this.end(entry)));
    }
  }
}
