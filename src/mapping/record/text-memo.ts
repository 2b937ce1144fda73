/**
 * Strings of short texts, found by their bytes: records name the same users, addresses and actions over and over, and a
 * string that was there before costs less than a new one, also where it is looked up in a map.
 */
import type { ByteSource } from '../writers/protobuf-buffer.ts';

const slotCount = 1024;
const wordBytes = 4;
const slotWords = 16;
const textBytesMax = slotWords * wordBytes;

export class TextMemo {
  readonly #strings: string[] = new Array<string>(slotCount).fill('');
  readonly #sizes = new Uint8Array(slotCount);
  readonly #words = new Int32Array(slotCount * slotWords);

  /** @param source UTF-8, with some more bytes behind it. */
  of({ bytes, view }: ByteSource, start: number, end: number): string {
    const size = end - start;
    if (size > textBytesMax) return bytes.toString('utf8', start, end);
    const wordCount = (size + wordBytes - 1) >> 2;
    const lastMask = -1 >>> (8 * (wordCount * wordBytes - size));
    const slot = slotOf(view, start, wordCount, lastMask);
    if (this.#sizes[slot] === size && this.#holds(slot, view, start, wordCount, lastMask)) {
      return this.#strings[slot] as string;
    }
    const text = bytes.toString('utf8', start, end);
    this.#strings[slot] = text;
    this.#sizes[slot] = size;
    const first = slot * slotWords;
    for (let index = 0; index < wordCount; index++) {
      const word = view.getInt32(start + index * wordBytes, true);
      this.#words[first + index] = index === wordCount - 1 ? word & lastMask : word;
    }
    return text;
  }

  #holds(slot: number, view: DataView, start: number, wordCount: number, lastMask: number): boolean {
    const words = this.#words;
    const first = slot * slotWords;
    const last = wordCount - 1;
    for (let index = 0; index < last; index++) {
      if (words[first + index] !== view.getInt32(start + index * wordBytes, true)) return false;
    }
    return words[first + last] === (view.getInt32(start + last * wordBytes, true) & lastMask);
  }
}

function slotOf(view: DataView, start: number, wordCount: number, lastMask: number): number {
  const last = wordCount - 1;
  let hash = 0;
  for (let index = 0; index < last; index++) {
    hash = Math.imul(hash ^ view.getInt32(start + index * wordBytes, true), 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash ^ (view.getInt32(start + last * wordBytes, true) & lastMask), 0x9e3779b1);
  return (hash >>> 20) & (slotCount - 1);
}
