/**
 * Eight bytes that stand for a line in the delivery state. Made from the line's SHA-256, which exists anyway, by a keyed
 * multilinear hash: without the key nobody can look for two lines that fall together, which plain truncation to eight
 * bytes would allow after some 2^32 tries (a birthday search that a laptop finishes).
 */
import assert from 'node:assert';

const digestWords = 8;

export interface LineHash {
  readonly high: number;
  readonly low: number;
}

export class LineHasher {
  /** One key word for each digest word, one for the occurrence and one to start from; for the high and the low half. */
  readonly #keys: Uint32Array;

  /** @param secret at least 80 random bytes. */
  constructor(secret: Uint8Array) {
    const keyWords = 2 * (digestWords + 2);
    assert(secret.length >= keyWords * 4, 'the secret is too short');
    this.#keys = new Uint32Array(keyWords);
    for (let i = 0; i < keyWords; i++) this.#keys[i] = readWord(secret, i * 4);
  }

  /** The hash of the line itself, whatever its occurrence in the object. */
  ofLine(digest: Uint8Array): LineHash {
    return this.ofOccurrence(digest, 0);
  }

  /** The hash of one occurrence of the line in its object. */
  ofOccurrence(digest: Uint8Array, occurrence: number): LineHash {
    const keys = this.#keys;
    let high = keys[digestWords + 1] as number;
    let low = keys[2 * digestWords + 3] as number;
    for (let i = 0; i < digestWords; i++) {
      const word = readWord(digest, i * 4);
      high = (high + Math.imul(word, keys[i] as number)) | 0;
      low = (low + Math.imul(word, keys[i + digestWords + 2] as number)) | 0;
    }
    high = (high + Math.imul(occurrence, keys[digestWords] as number)) | 0;
    low = (low + Math.imul(occurrence, keys[2 * digestWords + 2] as number)) | 0;
    return { high: mix(high), low: mix(low) };
  }
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** MurmurHash3's finalizer, a bijection: spreads what multiplication leaves in the upper bits. */
function mix(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
