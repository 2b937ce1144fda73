/**
 * A Bloom filter over hashes of lines: answers without the disk that a hash was never added. Of a fixed size, so that it costs
 * the same for every object; beyond some ten million lines it answers "perhaps" too often to be of use, and is still right.
 */
import type { LineHash } from './line-hash.ts';

/** 4 MiB. By calculation one answer in 1,600 is a wrong "perhaps" with a million hashes, one in five with ten million. */
const sizeBits = 2 ** 25;
const probesPerHash = 3;

export class HashFilter {
  readonly #words = new Int32Array(sizeBits / 32);

  add(high: LineHash['high'], low: LineHash['low']): void {
    for (let probe = 0; probe < probesPerHash; probe++) {
      const bit = bitOf(high, low, probe);
      this.#words[bit >>> 5] = (this.#words[bit >>> 5] as number) | (1 << (bit & 31));
    }
  }

  mayHold(high: LineHash['high'], low: LineHash['low']): boolean {
    for (let probe = 0; probe < probesPerHash; probe++) {
      const bit = bitOf(high, low, probe);
      if (((this.#words[bit >>> 5] as number) & (1 << (bit & 31))) === 0) return false;
    }
    return true;
  }
}

/** The halves of the hash are independent, so sums of them serve as further hash functions. */
function bitOf(high: number, low: number, probe: number): number {
  return (low + Math.imul(high, probe)) & (sizeBits - 1);
}
