/**
 * The memory image of the compiled program, under construction. Addresses are final from the start.
 */
import { Buffer } from 'node:buffer';

/** An address in the kernel's memory; 0 is none. */
export type Address = number;

const alignmentBytes = 16;
const initialSizeBytes = 32 * 1024;

export class ProgramImage {
  readonly start: Address;
  #bytes = Buffer.alloc(initialSizeBytes);
  #end = 0;
  readonly #texts = new Map<string, TextInImage>();

  constructor(start: Address) {
    this.start = start;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Reserves zeroed memory; the kernel may access up to 16 bytes after it. */
  reserve(sizeBytes: number): Address {
    const at = this.#end;
    this.#end = Math.ceil((at + sizeBytes + alignmentBytes) / alignmentBytes) * alignmentBytes;
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.alloc(this.#end * 2);
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    return this.start + at;
  }

  setWords(at: Address, words: readonly number[]): void {
    for (const [index, word] of words.entries()) this.#bytes.writeUInt32LE(word, at - this.start + index * 4);
  }

  setInteger(at: Address, value: number): void {
    this.#bytes.writeBigInt64LE(BigInt(value), at - this.start);
  }

  words(words: readonly number[]): Address {
    const at = this.reserve(words.length * 4);
    this.setWords(at, words);
    return at;
  }

  encoded(bytes: Uint8Array): TextInImage {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at - this.start);
    return { at, sizeBytes: bytes.length };
  }

  text(text: string): TextInImage {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const added = this.encoded(Buffer.from(text));
    this.#texts.set(text, added);
    return added;
  }
}

export interface TextInImage {
  readonly at: Address;
  readonly sizeBytes: number;
}
