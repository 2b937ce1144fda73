/**
 * The hot path of the mapping, in WebAssembly: reads a line and composes its record. Its source is in assembly/, and docs/decisions says why
 * it is not JavaScript. Its memory holds one record at a time, so a mapper has a kernel of its own.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Address, ProgramImage } from '../program/program-image.ts';
import { parseJson } from '../record/exact-json.ts';
import { tidyJsonOfText } from '../record/line-parser.ts';

/** What the kernel asks about redaction; its answers have to be those of the redactor. */
export interface RedactionQuestions {
  /** Whether the values of a key are sensitive, always or in some services. */
  classifyKey(key: string): { readonly always: boolean; readonly inService: boolean };
  /** @param service of the record, if a text names one. */
  changesText(text: string, service: string | undefined): boolean;
}

interface KernelExports {
  readonly memory: WebAssembly.Memory;
  readonly programAt: WebAssembly.Global;
  readonly answersAt: WebAssembly.Global;
  readonly layOutRooms: (at: Address, lineBytesMax: number) => Address;
  readonly enterRooms: () => number;
  readonly setObservedTime: (timeMs: number) => void;
  readonly mapLine: (sizeBytes: number, occurrence: number) => number;
  readonly mapTidied: (sizeBytes: number, bodyBytes: number, occurrence: number) => number;
  readonly mapUnparsed: (bodyBytes: number, reason: Address, occurrence: number) => number;
}

/** The words of `Answer` in assembly/memory.ts. */
const answers = {
  lineAt: 0,
  bodyAt: 1,
  lineMax: 2,
  recordStart: 3,
  recordEnd: 4,
  isNewResource: 5,
  identityStart: 6,
  identityEnd: 7,
} as const;

const pageBytes = 65_536;
/** Lines that the rooms are for at first. They double when a line, or what is made of it, does not fit. */
const initialLineBytesMax = 256 * 1024;
/** In place of a time, what the kernel returns; see assembly/index.ts. */
const [needsParsing, needsRoom] = [-1, -2];

const nothing = new Uint8Array(0);

let compiled: WebAssembly.Module | undefined;

export class Kernel {
  readonly #exports: KernelExports;
  #roomsAt: Address = 0;
  #lineBytesMax = initialLineBytesMax / 2;
  #answers = new Uint32Array(0);
  /** All of its memory. */
  bytes: Buffer;

  /** @param redaction undefined without redaction. */
  constructor(redaction: RedactionQuestions | undefined) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL('kernel.wasm', import.meta.url)));
    const host = this.#hostFunctions(redaction);
    // What the module exports is compiled along with this file.
    this.#exports = new WebAssembly.Instance(compiled, { host }).exports as unknown as KernelExports;
    this.bytes = Buffer.from(this.#exports.memory.buffer);
  }

  /** Where the program has to start. */
  get programAt(): Address {
    return this.#exports.programAt.value;
  }

  load(image: ProgramImage): void {
    this.#roomsAt = image.start + image.bytes.length;
    this.#reserve(this.#roomsAt);
    this.bytes.set(image.bytes, image.start);
    this.#doubleRooms();
  }

  /** Of the records that follow. */
  setObservedTime(timeMs: number): void {
    this.#exports.setObservedTime(timeMs);
  }

  /**
   * Maps a line as it was delivered.
   * @returns the time of the record in milliseconds, 0 for an unparsed record, undefined for a line that has to be parsed first.
   */
  mapLine(line: Uint8Array, occurrence: number): number | undefined {
    const timeMs = this.#map(line, nothing, () => this.#exports.mapLine(line.length, occurrence));
    return timeMs === needsParsing ? undefined : timeMs;
  }

  /** Maps JSON that was made of a line. @returns the time, see `mapLine`. */
  mapTidied(json: Uint8Array, body: Uint8Array, occurrence: number): number {
    const timeMs = this.#map(json, body, () => this.#exports.mapTidied(json.length, body.length, occurrence));
    if (timeMs === needsParsing) throw new Error('JSON.stringify wrote no JSON');
    return timeMs;
  }

  /** Maps a line that is no record. */
  mapUnparsed(body: Uint8Array, reason: Address, occurrence: number): void {
    this.#map(nothing, body, () => this.#exports.mapUnparsed(body.length, reason, occurrence));
  }

  // Of the last record, until the next call.

  get recordStart(): Address {
    return this.#answer('recordStart');
  }

  get recordEnd(): Address {
    return this.#answer('recordEnd');
  }

  /** Whether its resource attributes differ from those of the record before. */
  get hasNewResource(): boolean {
    return this.#answer('isNewResource') !== 0;
  }

  /** Its resource attributes, each as its size (0 for one without a value) and its text. */
  get resourceIdentity(): Buffer {
    return this.bytes.subarray(this.#answer('identityStart'), this.#answer('identityEnd'));
  }

  #answer(name: keyof typeof answers): number {
    return this.#answers[answers[name]] as number;
  }

  /** In rooms that are large enough. */
  #map(line: Uint8Array, body: Uint8Array, map: () => number): number {
    while (true) {
      while (Math.max(line.length, body.length) > this.#answer('lineMax')) this.#doubleRooms();
      this.bytes.set(line, this.#answer('lineAt'));
      if (body.length > 0) this.bytes.set(body, this.#answer('bodyAt'));
      const timeMs = map();
      if (timeMs !== needsRoom) return timeMs;
      this.#doubleRooms();
    }
  }

  /** Lays the rooms out anew, twice as large. They hold nothing that outlives a record, and lines are of bounded length. */
  #doubleRooms(): void {
    const { layOutRooms, enterRooms } = this.#exports;
    do {
      this.#lineBytesMax *= 2;
      this.#reserve(layOutRooms(this.#roomsAt, this.#lineBytesMax));
    } while (enterRooms() === 0);
  }

  /** Makes the memory as large as that; views of it are useless once it has grown. */
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
    /** A text with its escapes. */
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
      changesText(start = 0, end = 0, serviceStart = 0, serviceEnd = 0) {
        const service = serviceStart === 0 ? undefined : text(serviceStart, serviceEnd);
        return redaction?.changesText(unescaped(start, end), service) === true ? 1 : 0;
      },
      tidyText(start = 0, end = 0, to = 0, capacity = 0) {
        const json = tidyJsonOfText(unescaped(start, end));
        return json === undefined ? 0 : write(json, to, capacity);
      },
      jsonText(start = 0, size = 0, to = 0, capacity = 0) {
        return write(Buffer.from(JSON.stringify(parseJson(text(start, start + size)))), to, capacity);
      },
      numberText: (start = 0, size = 0, to = 0) => {
        const value = Number(text(start, start + size));
        return Number.isFinite(value) ? this.bytes.write(String(value), to, 'latin1') : 0;
      },
      toDouble: (start = 0, size = 0) => Number(text(start, start + size)),
      isUtf8: (start = 0, size = 0) => (isUtf8(this.bytes.subarray(start, start + size)) ? 1 : 0),
    };
  }
}
