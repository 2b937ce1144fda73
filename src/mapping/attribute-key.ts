/**
 * Keys of attributes and map entries, encoded once for all outputs: a delivery has few different keys and millions of
 * records.
 */
import { encodeStringField } from './protobuf-buffer.ts';

export interface AttributeKey {
  readonly text: string;
  /** KeyValue.key = 1. */
  readonly protobuf: Uint8Array;
  /** `{"key":"...","value":` */
  readonly json: string;
}

/** Stands in place of a key in front of an element of an array, which has none. */
export const arrayElement: AttributeKey = { text: '', protobuf: new Uint8Array(), json: '' };

/** @param text not empty and well-formed Unicode. */
export function attributeKey(text: string): AttributeKey {
  return { text, protobuf: encodeStringField(1, text), json: `{"key":${JSON.stringify(text)},"value":` };
}

const cachedKeysMax = 4096;
const cachedKeyLengthMax = 128;

/** Keys that come from records. Bounded, because records can make up keys without end. */
export class AttributeKeyCache {
  readonly #keys = new Map<string, AttributeKey>();

  get(text: string): AttributeKey {
    return this.#keys.get(text) ?? this.#add(text);
  }

  #add(text: string): AttributeKey {
    const key = attributeKey(text);
    if (text.length > cachedKeyLengthMax) return key;
    if (this.#keys.size >= cachedKeysMax) this.#keys.clear();
    this.#keys.set(text, key);
    return key;
  }
}
