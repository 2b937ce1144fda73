/**
 * The keys of records as texts: a delivery has few different ones.
 */
import type { Buffer } from 'node:buffer';
import { type AttributeKey, attributeKey } from '../writers/attribute-key.ts';

const backslash = 0x5c;
/** Records can make up keys without end. */
const knownKeysMax = 16_384;

/** A key, whatever object it is in. */
export class RecordKey {
  /** With lone surrogates, if the record has them. */
  readonly text: string;
  #attribute: AttributeKey | undefined;

  constructor(text: string) {
    this.text = text;
  }

  /** As the name of an attribute, of a key that is not empty and well-formed. */
  get attribute(): AttributeKey {
    this.#attribute ??= attributeKey(this.text);
    return this.#attribute;
  }
}

/** In place of a key where there is none: in an array, and in front of the record. */
export const noKey = new RecordKey('');

export class RecordKeys {
  readonly #known = new Map<number, RecordKey>();

  /**
   * @param number that equal keys have in common; 0 for a key that is not kept.
   * @param bytes with the key from start to end, between quotes.
   */
  of(number: number, bytes: Buffer, start: number, end: number): RecordKey {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const hasEscapes = bytes.subarray(start, end).includes(backslash);
    const text = hasEscapes
      ? JSON.parse(bytes.toString('utf8', start - 1, end + 1))
      : bytes.toString('utf8', start, end);
    const key = new RecordKey(text);
    if (number === 0) return key;
    if (this.#known.size >= knownKeysMax) this.#known.clear();
    this.#known.set(number, key);
    return key;
  }
}
