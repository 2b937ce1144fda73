/**
 * The hot path of the mapping, in WebAssembly: scans a line and composes its record. The source is in assembly/; docs/decisions explains why it
 * is not JavaScript. The kernel's memory holds one record at a time, so each mapper has its own kernel.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { OtlpEncoding } from '../../contracts/mapper.ts';
import { parseJson } from '../../runtime/exact-json.ts';
import type { Address, ProgramImage } from '../program/program-image.ts';
import { normalisedJsonIn } from '../record/line-parser.ts';

/** What the kernel asks the redactor. */
export interface RedactionQuestions {
  /** Whether the values of a key are sensitive, in general or in some service. */
  classifyKey(key: string): { readonly always: boolean; readonly inService: boolean };
  /** @param service of the record, if a string names it. */
  changesText(text: string, service: string | undefined): boolean;
}

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly programAt: WebAssembly.Global;
  readonly answersAt: WebAssembly.Global;
  readonly layOutBuffers: (at: Address, lineBytesMax: number) => Address;
  readonly resetBuffers: () => number;
  readonly setObservedTime: (timeMs: number) => void;
  readonly setJson: (isJson: boolean) => void;
  readonly mapLine: (sizeBytes: number, occurrence: number) => number;
  readonly mapNormalised: (sizeBytes: number, bodyBytes: number, occurrence: number) => number;
  readonly mapUnparsed: (bodyBytes: number, reason: Address, occurrence: number) => number;
}

/** The words of `Answer` in assembly/layout.ts. */
const answers = {
  lineAt: 0,
  bodyAt: 1,
  lineMax: 2,
  recordStart: 3,
  recordEnd: 4,
  isNewResource: 5,
  identityStart: 6,
  identityEnd: 7,
  unparsedReason: 8,
} as const;

const pageBytes = 65_536;
/** The size that the buffers are initially for. They double when a line or its record does not fit. */
const initialLineBytesMax = 256 * 1024;
/** What the kernel returns instead of a timestamp; see assembly/index.ts. */
const [needsParsing, overflowed] = [-1, -2];

const nothing = new Uint8Array(0);

let compiled: WebAssembly.Module | undefined;

export class Kernel {
  readonly #exports: KernelExports;
  #buffersAt: Address = 0;
  #lineBytesMax = initialLineBytesMax / 2;
  #answers = new Uint32Array(0);
  /** The whole memory of the kernel; replaced when it grows. */
  bytes: Buffer;

  /** @param redaction undefined without redaction. */
  constructor(redaction: RedactionQuestions | undefined) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('kernel.wasm', import.meta.url)));
    const host = this.#hostFunctions(redaction);
    // What the module exports is compiled along with this file.
    this.#exports = new WebAssembly.Instance(compiled, { host }).exports as unknown as KernelExports;
    this.bytes = Buffer.from(this.#exports.memory.buffer);
  }

  /** Where the program must start. */
  get programAt(): Address {
    return this.#exports.programAt.value;
  }

  load(image: ProgramImage): void {
    this.#buffersAt = image.start + image.bytes.length;
    this.#reserve(this.#buffersAt);
    this.bytes.set(image.bytes, image.start);
    this.#doubleBuffers();
  }

  /** For the records that follow. */
  setObservedTime(timeMs: number): void {
    this.#exports.setObservedTime(timeMs);
  }

  /** For the records that follow. */
  setEncoding(encoding: OtlpEncoding): void {
    this.#exports.setJson(encoding === 'json');
  }

  /**
   * Maps a line as delivered.
   * @returns the timestamp of the record in milliseconds, 0 for an unparsed record, undefined if the line must be parsed first.
   */
  mapLine(line: Uint8Array, occurrence: number): number | undefined {
    const timeMs = this.#map(line, nothing, () => this.#exports.mapLine(line.length, occurrence));
    return timeMs === needsParsing ? undefined : timeMs;
  }

  /** Maps a line in normalised form. @returns the timestamp, see `mapLine`. */
  mapNormalised(json: Uint8Array, body: Uint8Array, occurrence: number): number {
    const timeMs = this.#map(json, body, () => this.#exports.mapNormalised(json.length, body.length, occurrence));
    if (timeMs === needsParsing) throw new Error('JSON.stringify wrote no JSON');
    return timeMs;
  }

  /** Maps a line that is not a record. */
  mapUnparsed(body: Uint8Array, reason: Address, occurrence: number): void {
    this.#map(nothing, body, () => this.#exports.mapUnparsed(body.length, reason, occurrence));
  }

  // Properties of the last record, valid until the next call.

  get recordStart(): Address {
    return this.#answer('recordStart');
  }

  get recordEnd(): Address {
    return this.#answer('recordEnd');
  }

  /** The entry of the reason why it is unparsed, 0 if it is not. */
  get unparsedReason(): Address {
    return this.#answer('unparsedReason');
  }

  /** Whether its resource attributes differ from those of the previous record. */
  get hasNewResource(): boolean {
    return this.#answer('isNewResource') !== 0;
  }

  /** Its resource attributes, each as its size (0 for one without a value) and its string. */
  get resourceIdentity(): Buffer {
    return this.bytes.subarray(this.#answer('identityStart'), this.#answer('identityEnd'));
  }

  #answer(name: keyof typeof answers): number {
    return this.#answers[answers[name]] as number;
  }

  /** Repeats the call with larger buffers until the record fits. */
  #map(line: Uint8Array, body: Uint8Array, map: () => number): number {
    while (true) {
      while (Math.max(line.length, body.length) > this.#answer('lineMax')) this.#doubleBuffers();
      this.bytes.set(line, this.#answer('lineAt'));
      if (body.length > 0) this.bytes.set(body, this.#answer('bodyAt'));
      const timeMs = map();
      if (timeMs !== overflowed) return timeMs;
      this.#doubleBuffers();
    }
  }

  /** Lays out the buffers anew, twice as large. Nothing in them outlives a record. Lines are of bounded length, so growth ends. */
  #doubleBuffers(): void {
    const { layOutBuffers, resetBuffers } = this.#exports;
    do {
      this.#lineBytesMax *= 2;
      this.#reserve(layOutBuffers(this.#buffersAt, this.#lineBytesMax));
    } while (resetBuffers() === 0);
  }

  /** Grows the memory, which detaches all views of it. */
  #reserve(end: Address): void {
    const { memory } = this.#exports;
    const missingBytes = end + pageBytes - memory.buffer.byteLength;
    if (missingBytes > 0) memory.grow(Math.ceil(missingBytes / pageBytes));
    this.bytes = Buffer.from(memory.buffer);
    this.#answers = new Uint32Array(memory.buffer, this.#exports.answersAt.value, Object.keys(answers).length);
  }

  /** See assembly/host.ts. */
  #hostFunctions(redaction: RedactionQuestions | undefined): Record<string, (...words: number[]) => number> {
    const text = (start: Address, end: Address) => this.bytes.toString('utf8', start, end);
    /** @param start of a string that is passed with its escapes. */
    const unescaped = (start: Address, end: Address): string => JSON.parse(`"${text(start, end)}"`);
    const write = (content: Uint8Array, to: Address, capacity: number): number => {
      if (content.length <= capacity) this.bytes.set(content, to);
      return content.length;
    };
    return {
      flagsOfKey(start = 0, size = 0) {
        if (redaction === undefined) return 0;
        const { always, inService } = redaction.classifyKey(text(start, start + size));
        return (always ? 1 : 0) | (inService ? 2 : 0);
      },
      changesString(start = 0, end = 0, serviceStart = 0, serviceEnd = 0) {
        const service = serviceStart === 0 ? undefined : text(serviceStart, serviceEnd);
        return redaction?.changesText(unescaped(start, end), service) === true ? 1 : 0;
      },
      normaliseString(start = 0, end = 0, to = 0, capacity = 0) {
        const json = normalisedJsonIn(unescaped(start, end));
        return json === undefined ? 0 : write(json, to, capacity);
      },
      jsonText(start = 0, size = 0, to = 0, capacity = 0) {
        return write(Buffer.from(JSON.stringify(parseJson(text(start, start + size)))), to, capacity);
      },
      numberString: (start = 0, size = 0, to = 0) => {
        const value = Number(text(start, start + size));
        return Number.isFinite(value) ? this.bytes.write(String(value), to, 'latin1') : 0;
      },
      numberText: (value = 0, to = 0) => this.bytes.write(String(value), to, 'latin1'),
      toDouble: (start = 0, size = 0) => Number(text(start, start + size)),
      isUtf8: (start = 0, size = 0) => (isUtf8(this.bytes.subarray(start, start + size)) ? 1 : 0),
    };
  }
}
