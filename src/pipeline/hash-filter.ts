/**
 * A Bloom filter over hashes of lines: answers without the disk that a hash was never added. Small for most of the objects that
 * need it, larger beyond half a million lines and then of a fixed size; beyond some ten million lines it answers "perhaps" too
 * often to be of use, and is still right.
 */
import type { LineHash } from './line-hash.ts';

const probesPerHash = 3;
/** 2 MiB. By calculation one answer in 1,600 is a wrong "perhaps" when it is full. */
const firstPart = { sizeBits: 2 ** 24, hashCountMax: 2 ** 19 };
/** 4 MiB for all that follow: one in 1,600 with a million, one in five with ten million. */
const secondSizeBits = 2 ** 25;

export class HashFilter {
  readonly #first = new Bits(firstPart.sizeBits);
  #second: Bits | undefined;
  #hashCount = 0;

  add(high: LineHash['high'], low: LineHash['low']): void {
    if (this.#hashCount++ < firstPart.hashCountMax) {
      this.#first.add(high, low);
    } else {
      this.#second ??= new Bits(secondSizeBits);
      this.#second.add(high, low);
    }
  }

  mayHold(high: LineHash['high'], low: LineHash['low']): boolean {
    return this.#first.mayHold(high, low) || this.#second?.mayHold(high, low) === true;
  }
}

class Bits {
  readonly #words: Int32Array;
  readonly #mask: number;

  constructor(sizeBits: number) {
    this.#words = new Int32Array(sizeBits / 32);
    this.#mask = sizeBits - 1;
  }

  add(high: number, low: number): void {
    for (let probe = 0; probe < probesPerHash; probe++) {
      const bit = this.#bitOf(high, low, probe);
      this.#words[bit >>> 5] = (this.#words[bit >>> 5] as number) | (1 << (bit & 31));
    }
  }

  mayHold(high: number, low: number): boolean {
    for (let probe = 0; probe < probesPerHash; probe++) {
      const bit = this.#bitOf(high, low, probe);
      if (((this.#words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }

  /** The halves of the hash are independent, so sums of them serve as further hash functions. */
  #bitOf(high: number, low: number, probe: number): number {
    return (low + Math.imul(high, probe)) & this.#mask;
  }
}
