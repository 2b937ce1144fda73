/**
 * From records in OTLP/JSON back to a request: how dead letters are sent again, byte for byte as they were sent first.
 */
import { Buffer } from 'node:buffer';
import type { OtlpEncoding } from '../contracts/mapper.ts';
import type { OtlpKeyValue, OtlpLogRecord, OtlpLogs, OtlpValue } from '../model/otlp-json.ts';
import { type AttributeKey, arrayElement, attributeKey } from './writers/attribute-key.ts';
import { type EncodedResource, encodeEnvelope, encodeResource } from './writers/envelope.ts';
import { JsonWriter } from './writers/json-writer.ts';
import type { LogRecordWriter } from './writers/log-record-writer.ts';
import { ProtobufWriter } from './writers/protobuf-writer.ts';

type Scope = OtlpLogs['resourceLogs'][number]['scopeLogs'][number];

/** One request with all records; those of one scope and resource stand together, in their order. */
export function encodeOtlpJson(records: readonly OtlpLogs[], encoding: OtlpEncoding): Uint8Array {
  const writers = new Map<string, LogRecordWriter>();
  const resources = new Map<string, EncodedResource>();
  for (const { resourceLogs } of records) {
    for (const { resource, scopeLogs } of resourceLogs) {
      const identity = JSON.stringify(resource);
      const encoded = resources.get(identity) ?? encodeResource(identity, textsOf(resource.attributes));
      resources.set(identity, encoded);
      for (const scope of scopeLogs) {
        const scopeIdentity = JSON.stringify([scope.scope, scope.schemaUrl]);
        const writer = writers.get(scopeIdentity) ?? createWriter(scope, encoding);
        writers.set(scopeIdentity, writer);
        for (const record of scope.logRecords) writeRecord(record, encoded, writer);
      }
    }
  }
  const requests = [...writers.values()].map((writer) => writer.finish());
  return encoding === 'protobuf' ? Buffer.concat(requests) : joinJson(requests);
}

function createWriter({ scope, schemaUrl }: Scope, encoding: OtlpEncoding): LogRecordWriter {
  const { name, version, attributes } = scope;
  const envelope = encodeEnvelope({ name, version, attributes: textsOf(attributes) }, schemaUrl);
  return encoding === 'protobuf' ? new ProtobufWriter(envelope) : new JsonWriter(envelope);
}

/** Of resources and scopes: the agent gives those no other values. */
function textsOf(attributes: readonly OtlpKeyValue[]): (readonly [string, string])[] {
  return attributes.map(({ key, value }) => [key, value.stringValue ?? ''] as const);
}

function writeRecord(record: OtlpLogRecord, resource: EncodedResource, out: LogRecordWriter): void {
  out.begin(resource, {
    timestampMs: milliseconds(record.timeUnixNano),
    observedAtMs: milliseconds(record.observedTimeUnixNano),
    severity: { number: record.severityNumber, text: record.severityText },
    eventName: record.eventName,
    body: Buffer.from(record.body.stringValue),
  });
  for (const { key, value } of record.attributes) writeValue(attributeKey(key), value, out);
  out.end();
}

/** The agent's times are whole milliseconds. */
function milliseconds(nanoseconds: string | undefined): number {
  return Number(BigInt(nanoseconds ?? '0') / 1_000_000n);
}

function writeValue(key: AttributeKey, value: OtlpValue, out: LogRecordWriter): void {
  if (value.stringValue !== undefined) out.string(key, value.stringValue);
  else if (value.intValue !== undefined) out.integer(key, BigInt(value.intValue));
  else if (value.boolValue !== undefined) out.boolean(key, value.boolValue);
  else if (value.doubleValue !== undefined) out.double(key, value.doubleValue);
  else if (value.kvlistValue !== undefined) {
    out.beginMap(key);
    for (const entry of value.kvlistValue.values ?? []) writeValue(attributeKey(entry.key), entry.value, out);
    out.endContainer();
  } else if (value.arrayValue !== undefined) {
    out.beginArray(key);
    for (const element of value.arrayValue.values ?? []) writeValue(arrayElement, element, out);
    out.endContainer();
  }
}

/** Protobuf messages are joined by putting them behind each other; JSON needs its brackets. */
function joinJson(requests: readonly Uint8Array[]): Uint8Array {
  const [opening, closing] = ['{"resourceLogs":[', ']}'];
  const contents = requests.map((request) =>
    Buffer.from(request).toString('utf8').slice(opening.length, -closing.length),
  );
  return Buffer.from(`${opening}${contents.join(',')}${closing}`);
}
