/**
 * A line, and what the kernel found in it: every value is an entry that says what it is and where it stands.
 */
import { Buffer } from 'node:buffer';

/** What an entry is; the numbers are those of assembly/scan.ts. */
export const kinds = {
  null: 0,
  emptyText: 1,
  false: 2,
  true: 3,
  /** So few digits that a JavaScript number holds them. */
  integer: 4,
  /** Any other number. */
  number: 5,
  /** A text whose UTF-8 stands there as it is. */
  text: 6,
  /** A text with backslashes. */
  escapedText: 7,
  object: 8,
  array: 9,
} as const;

export type Kind = (typeof kinds)[keyof typeof kinds];

/** False for null and for an empty text. */
export function isValue(kind: Kind): boolean {
  return kind > kinds.emptyText;
}

export function isContainer(kind: Kind): boolean {
  return kind >= kinds.object;
}

/** The words of an entry; see assembly/scan.ts. */
const [startAt, endAt, nextAt, kindAt, keyNumberAt, keyStartAt, keyEndAt] = [0, 1, 2, 3, 4, 5, 6];
const entryShift = 3;
const wordBytes = 4;
const entryBytes = wordBytes << entryShift;
/** Behind a line: a zero, so that nothing reads beyond the end, and room for steps that begin within the line. */
const paddingBytes = 32;

/** More than anybody asks to be read in each other. */
const openContainersMax = 256;

/** Where a tape lies in the memory of the kernel. */
export interface TapeLayout {
  readonly lineAt: number;
  readonly lineBytesMax: number;
  readonly entriesAt: number;
  readonly endAt: number;
}

/** Room for a line of any content: each two bytes may be an entry, and each one that opens a container. */
export function layOut(at: number, lineBytesMax: number): TapeLayout {
  const lineAt = Math.ceil(at / paddingBytes) * paddingBytes;
  const entriesAt = Math.ceil((lineAt + lineBytesMax + paddingBytes) / paddingBytes) * paddingBytes;
  const entriesMax = (lineBytesMax >> 1) + openContainersMax;
  return { lineAt, lineBytesMax, entriesAt, endAt: entriesAt + entriesMax * entryBytes };
}

export class Tape {
  /** The line, and some bytes behind it. */
  bytes = Buffer.alloc(0);
  #entries = new Int32Array(0);

  constructor(memory: ArrayBuffer, layout: TapeLayout) {
    this.moveTo(memory, layout);
  }

  /** The memory was replaced by a larger one, or the tape has more room elsewhere in it. */
  moveTo(memory: ArrayBuffer, { lineAt, entriesAt, endAt }: TapeLayout): void {
    this.bytes = Buffer.from(memory, lineAt, entriesAt - lineAt);
    this.#entries = new Int32Array(memory, entriesAt, (endAt - entriesAt) / wordBytes);
  }

  /** The same in memory of its own. */
  copy(lineBytes: number, entryCount: number): Tape {
    const layout = layOut(0, lineBytes);
    const memory = new ArrayBuffer(layout.endAt);
    new Uint8Array(memory).set(this.bytes.subarray(0, lineBytes));
    new Int32Array(memory, layout.entriesAt).set(this.#entries.subarray(0, entryCount << entryShift));
    return new Tape(memory, layout);
  }

  kind(entry: number): Kind {
    return this.#entries[(entry << entryShift) + kindAt] as Kind;
  }

  /** Where the bytes of a value begin and end; of a text, what stands between its quotes. */
  start(entry: number): number {
    return this.#entries[(entry << entryShift) + startAt] as number;
  }

  end(entry: number): number {
    return this.#entries[(entry << entryShift) + endAt] as number;
  }

  /** Of a container: the first entry behind all that is in it. */
  next(entry: number): number {
    return this.#entries[(entry << entryShift) + nextAt] as number;
  }

  /** Equal for equal keys; 0 for one that the kernel does not keep. */
  keyNumber(entry: number): number {
    return this.#entries[(entry << entryShift) + keyNumberAt] as number;
  }

  /** Where the key of a member begins, between its quotes; 0 for what is no member. */
  keyStart(entry: number): number {
    return this.#entries[(entry << entryShift) + keyStartAt] as number;
  }

  keyEnd(entry: number): number {
    return this.#entries[(entry << entryShift) + keyEndAt] as number;
  }
}
