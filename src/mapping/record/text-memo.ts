/**
 * Short texts that came before, found by their bytes: records name the same users, addresses and actions over and over, and a
 * string that was there before costs less than a new one, also where it is looked up in a map.
 */
import type { ByteSource } from '../writers/protobuf-buffer.ts';

/** One of the texts. While it is known, equal bytes give this same object. */
export class KnownText {
  readonly text: string;
  /** Less than `knownTextSlots`; no two known texts have the same one. */
  readonly slot: number;

  constructor(text: string, slot: number) {
    this.text = text;
    this.slot = slot;
  }
}

const slotBits = 10;
export const knownTextSlots = 1 << slotBits;
const wordBytes = 4;
const slotWords = 16;
const textBytesMax = slotWords * wordBytes;

export class TextMemo {
  readonly #texts = new Array<KnownText | undefined>(knownTextSlots).fill(undefined);
  readonly #sizes = new Uint8Array(knownTextSlots);
  readonly #words = new Int32Array(knownTextSlots * slotWords);

  /**
   * @param source UTF-8, with some more bytes behind it.
   * @returns undefined for a longer text, which is not kept.
   */
  of({ bytes, view }: ByteSource, start: number, end: number): KnownText | undefined {
    const size = end - start;
    if (size > textBytesMax || size === 0) return undefined;
    const wordCount = (size + wordBytes - 1) >> 2;
    const lastMask = -1 >>> (8 * (wordCount * wordBytes - size));
    const slot = slotOf(view, start, wordCount, lastMask);
    if (this.#sizes[slot] === size && this.#holds(slot, view, start, wordCount, lastMask)) return this.#texts[slot];
    const known = new KnownText(bytes.toString('utf8', start, end), slot);
    this.#texts[slot] = known;
    this.#sizes[slot] = size;
    const first = slot * slotWords;
    for (let index = 0; index < wordCount; index++) {
      const word = view.getInt32(start + index * wordBytes, true);
      this.#words[first + index] = index === wordCount - 1 ? word & lastMask : word;
    }
    return known;
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
  return hash >>> (32 - slotBits);
}
