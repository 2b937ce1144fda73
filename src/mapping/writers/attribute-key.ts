/**
 * Keys of attributes and map entries, encoded once for all outputs: a delivery has few different keys and millions of
 * records.
 */
import { Buffer } from 'node:buffer';
import { type ByteSource, byteSource, encodeStringField } from './protobuf-buffer.ts';

export interface AttributeKey {
  readonly text: string;
  /** KeyValue.key = 1. */
  readonly protobuf: ByteSource;
  /** `{"key":"...","value":` */
  readonly json: string;
}

/** Stands in place of a key in front of an element of an array, which has none. */
export const arrayElement: AttributeKey = { text: '', protobuf: byteSource(Buffer.alloc(0)), json: '' };

/** @param text not empty and well-formed Unicode. */
export function attributeKey(text: string): AttributeKey {
  return { text, protobuf: byteSource(encodeStringField(1, text)), json: `{"key":${JSON.stringify(text)},"value":` };
}
