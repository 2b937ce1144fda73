/**
 * Keys of attributes and map entries, encoded once for all outputs: a delivery has few different keys and millions of
 * records.
 */
import { type EncodedPart, encodePart } from './protobuf-buffer.ts';

/** KeyValue.key = 1 */
const keyTag = 0x0a;

export interface AttributeKey {
  readonly text: string;
  /** The field KeyValue.key. */
  readonly protobuf: EncodedPart;
  /** `{"key":"...","value":` */
  readonly json: string;
}

/** Stands in place of a key in front of an element of an array, which has none. */
export const arrayElement: AttributeKey = { text: '', protobuf: encodePart(() => {}), json: '' };

/** @param text not empty and well-formed Unicode. */
export function attributeKey(text: string): AttributeKey {
  return {
    text,
    protobuf: encodePart((buffer) => buffer.stringField(keyTag, text)),
    json: `{"key":${JSON.stringify(text)},"value":`,
  };
}
