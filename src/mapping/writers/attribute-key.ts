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

/** An attribute whose value hardly changes. */
export interface RepeatedText {
  readonly key: AttributeKey;
  readonly text: string;
  /** KeyValue with its length, without its tag. */
  readonly protobuf: EncodedPart;
}

export function repeatedText(key: AttributeKey, text: string): RepeatedText {
  const protobuf = encodePart((buffer) => {
    const keyValue = buffer.beginLength();
    buffer.part(key.protobuf);
    buffer.byte(0x12);
    const anyValue = buffer.beginLength();
    buffer.stringField(0x0a, text);
    buffer.endLength(anyValue);
    buffer.endLength(keyValue);
  });
  return { key, text, protobuf };
}
