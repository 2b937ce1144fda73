/**
 * Eight bytes that represent a line in the delivery state: a keyed multilinear hash of the line's SHA-256, which exists
 * anyway. Without the key, nobody can search for two lines that collide; with plain truncation to eight bytes, a birthday
 * search would find some after about 2^32 attempts, which a laptop can do.
 */
import assert from 'node:assert';
import { Buffer } from 'node:buffer';

const digestWords = 8;
const digestHexDigits = 64;

/** Two signed 32-bit integers; V8 would allocate an object for anything larger. */
export interface LineHash {
  readonly high: number;
  readonly low: number;
}

export class LineHasher {
  /** Keys for the high and the low half: one word to start from, one for the occurrence, one per digest word. */
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  /** The digits of a digest as bytes, because reading them one by one from a string is slow. */
  readonly #digits = Buffer.allocUnsafeSlow(digestHexDigits);
  readonly #digitsView = new DataView(this.#digits.buffer);

  /** @param secret at least 80 random bytes. */
  constructor(secret: Uint8Array) {
    const keyWords = digestWords + 2;
    assert(secret.length >= 2 * keyWords * 4, 'the secret is too short');
    const words = new Int32Array(secret.slice(0, 2 * keyWords * 4).buffer);
    this.#high = words.subarray(0, keyWords);
    this.#low = words.subarray(keyWords);
  }

  /** @param digest 64 lower-case hexadecimal digits. */
  ofLine(digest: string): LineHash {
    this.#digits.write(digest, 'latin1');
    let high = this.#high[0] as number;
    let low = this.#low[0] as number;
    for (let i = 0; i < digestWords; i++) {
      const word = (fourDigits(this.#digitsView, i * 8) << 16) | fourDigits(this.#digitsView, i * 8 + 4);
      high = (high + Math.imul(word, this.#high[i + 2] as number)) | 0;
      low = (low + Math.imul(word, this.#low[i + 2] as number)) | 0;
    }
    return { high: mix(high), low: mix(low) };
  }

  /** The hash of one occurrence of the line in its object. */
  ofOccurrence({ high, low }: LineHash, occurrence: number): LineHash {
    return {
      high: mix(high + Math.imul(occurrence, this.#high[1] as number)),
      low: mix(low + Math.imul(occurrence, this.#low[1] as number)),
    };
  }
}

/** Decodes four hexadecimal digits at once: 0 to 9 are 0x30 to 0x39, a to f are 0x61 to 0x66. */
function fourDigits(view: DataView, at: number): number {
  const digits = view.getInt32(at);
  const values = (digits & 0x0f0f0f0f) + 9 * ((digits >>> 6) & 0x01010101);
  const pairs = (values >>> 4) | values;
  return ((pairs >>> 8) & 0xff00) | (pairs & 0xff);
}

/** MurmurHash3's finalizer, a bijection: spreads the entropy that multiplication leaves in the upper bits. */
function mix(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
