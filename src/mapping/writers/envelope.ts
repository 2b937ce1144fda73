/**
 * What stands around the records of a request: resources and the instrumentation scope, encoded once for all outputs.
 */
import { ProtobufBuffer } from './protobuf-buffer.ts';

export type TextAttributes = readonly (readonly [key: string, value: string])[];

export interface EncodedResource {
  /** Equal for equal resources, whatever object they are. */
  readonly identity: string;
  /** ResourceLogs.resource = 1, with its tag. */
  readonly protobuf: Uint8Array;
  readonly json: string;
}

export interface Envelope {
  /** ScopeLogs.scope = 1, with its tag. */
  readonly scopeProtobuf: Uint8Array;
  readonly scopeJson: string;
  /** Field schema_url = 3, of ResourceLogs and ScopeLogs alike; empty without one. */
  readonly schemaUrlProtobuf: Uint8Array;
  /** `,"schemaUrl":"..."` or nothing. */
  readonly schemaUrlJson: string;
}

export interface Scope {
  readonly name: string;
  readonly version: string;
  readonly attributes: TextAttributes;
}

export function encodeResource(identity: string, attributes: TextAttributes): EncodedResource {
  const buffer = new ProtobufBuffer();
  buffer.byte(0x0a);
  const resource = buffer.beginLength();
  writeAttributes(buffer, 0x0a, attributes);
  buffer.endLength(resource);
  return { identity, protobuf: contentOf(buffer), json: JSON.stringify({ attributes: jsonAttributes(attributes) }) };
}

export function encodeEnvelope(scope: Scope, schemaUrl: string | undefined): Envelope {
  const { name, version, attributes } = scope;
  const buffer = new ProtobufBuffer();
  buffer.byte(0x0a);
  const content = buffer.beginLength();
  buffer.stringField(0x0a, name);
  buffer.stringField(0x12, version);
  writeAttributes(buffer, 0x1a, attributes);
  buffer.endLength(content);
  const scopeProtobuf = contentOf(buffer);
  const scopeJson = JSON.stringify({ name, version, attributes: jsonAttributes(attributes) });

  if (schemaUrl === undefined) {
    return { scopeProtobuf, scopeJson, schemaUrlProtobuf: new Uint8Array(), schemaUrlJson: '' };
  }
  buffer.at = 0;
  buffer.stringField(0x1a, schemaUrl);
  const schemaUrlJson = `,"schemaUrl":${JSON.stringify(schemaUrl)}`;
  return { scopeProtobuf, scopeJson, schemaUrlProtobuf: contentOf(buffer), schemaUrlJson };
}

/** KeyValue{key = 1, value = 2}, AnyValue{string_value = 1}. */
function writeAttributes(buffer: ProtobufBuffer, tag: number, attributes: TextAttributes): void {
  for (const [key, value] of attributes) {
    buffer.byte(tag);
    const keyValue = buffer.beginLength();
    buffer.stringField(0x0a, key);
    buffer.byte(0x12);
    const anyValue = buffer.beginLength();
    buffer.stringField(0x0a, value);
    buffer.endLength(anyValue);
    buffer.endLength(keyValue);
  }
}

function jsonAttributes(attributes: TextAttributes): unknown[] {
  return attributes.map(([key, value]) => ({
    key: key.toWellFormed(),
    value: { stringValue: value.toWellFormed() },
  }));
}

function contentOf(buffer: ProtobufBuffer): Uint8Array {
  return Uint8Array.from(buffer.view(0, buffer.at));
}
