/**
 * Encodes records as OTLP/JSON (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding") off the hot path: alert events,
 * replayed records. The kernel writes the records of lines, with the fields in the same order.
 */
import { Buffer } from 'node:buffer';
import type { OtlpKeyValue, OtlpValue } from '../model/otlp-json.ts';
import type { RecordFields } from './protobuf.ts';

export function encodeRecordAsJson({
  timestampNs,
  observedAtNs,
  severity,
  body,
  attributes,
  eventName,
}: RecordFields): Buffer {
  const record = {
    timeUnixNano: timestampNs === 0n ? undefined : String(timestampNs),
    observedTimeUnixNano: String(observedAtNs),
    severityNumber: severity.number,
    severityText: severity.text.toWellFormed(),
    body: { stringValue: body.toWellFormed() },
    attributes: jsonAttributes(attributes),
    eventName: eventName.toWellFormed(),
  };
  return Buffer.from(JSON.stringify(record));
}

/** An attribute without a value is omitted. */
export function jsonAttributes(attributes: readonly OtlpKeyValue[]): OtlpKeyValue[] {
  return attributes.flatMap(({ key, value }) => {
    const encoded = jsonValue(value);
    return encoded === undefined ? [] : [{ key: key.toWellFormed(), value: encoded }];
  });
}

/** Undefined for an empty map or array, as in protobuf. */
function jsonValue({ stringValue, intValue, arrayValue, kvlistValue, ...other }: OtlpValue): OtlpValue | undefined {
  if (stringValue !== undefined) return { stringValue: stringValue.toWellFormed() };
  if (intValue !== undefined) return { intValue: String(intValue) };
  if (kvlistValue !== undefined) {
    const values = jsonAttributes(kvlistValue.values ?? []);
    return values.length === 0 ? undefined : { kvlistValue: { values } };
  }
  if (arrayValue === undefined) return other;
  const values = (arrayValue.values ?? []).map(jsonValue).filter((value) => value !== undefined);
  return values.length === 0 ? undefined : { arrayValue: { values } };
}
