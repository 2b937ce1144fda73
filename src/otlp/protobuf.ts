/**
 * Encodes protobuf (opentelemetry-proto, common/v1 and logs/v1) off the hot path: constants of a mapping, resources, alert events, replayed
 * records. The kernel writes the records of lines.
 *
 * Tags are field number * 8 + wire type (0 varint, 1 eight bytes, 2 with length).
 */
import { Buffer } from 'node:buffer';
import type { OtlpKeyValue, OtlpValue } from '../model/otlp-json.ts';

/** LogRecord.attributes = 6 */
const recordAttributeTag = 0x32;
/** KeyValueList.values = 1 and ArrayValue.values = 1 */
const entryTag = 0x0a;

export type TextAttributes = readonly (readonly [key: string, value: string])[];

export interface Severity {
  readonly number: number;
  readonly text: string;
}

/** SeverityNumber and its short name (OpenTelemetry specification, logs/data-model.md). */
export const severities = {
  TRACE: { number: 1, text: 'TRACE' },
  DEBUG: { number: 5, text: 'DEBUG' },
  INFO: { number: 9, text: 'INFO' },
  WARN: { number: 13, text: 'WARN' },
  ERROR: { number: 17, text: 'ERROR' },
  FATAL: { number: 21, text: 'FATAL' },
} as const satisfies Record<string, Severity>;

export interface RecordFields {
  /** Unix time in nanoseconds; 0 leaves the field unset. */
  readonly timestampNs: bigint;
  readonly observedAtNs: bigint;
  readonly severity: Severity;
  readonly eventName: string;
  readonly body: string;
  readonly attributes: readonly OtlpKeyValue[];
}

/** ScopeLogs.log_records = 2, with its tag. */
export function encodeRecord(record: RecordFields): Buffer {
  const { timestampNs, body, attributes, observedAtNs } = record;
  return field(0x12, [
    ...(timestampNs === 0n ? [] : [fixed64Field(0x09, timestampNs)]),
    encodeSeverity(record.severity),
    field(0x2a, [textField(0x0a, body)]),
    ...attributes.map(({ key, value }) => encodeAttribute(key, value)),
    fixed64Field(0x59, observedAtNs),
    encodeEventName(record.eventName),
  ]);
}

/** LogRecord.severity_number = 2 and severity_text = 3 */
export function encodeSeverity({ number, text }: Severity): Buffer {
  return Buffer.concat([varintField(0x10, BigInt(number)), textField(0x1a, text)]);
}

/** LogRecord.event_name = 12 */
export function encodeEventName(eventName: string): Buffer {
  return textField(0x62, eventName);
}

/** An attribute of a record. */
export function encodeAttribute(key: string, value: OtlpValue): Buffer {
  return encodeKeyValue(recordAttributeTag, key, value);
}

/** KeyValue{key = 1, value = 2}. An empty map or array is omitted with its key. */
function encodeKeyValue(tag: number, key: string, value: OtlpValue): Buffer {
  const encoded = encodeValue(value);
  return encoded.length === 0 ? encoded : field(tag, [textField(0x0a, key), field(0x12, [encoded])]);
}

/** @param value numbers must be integers. */
export function otlpValue(value: string | number | boolean): OtlpValue {
  if (typeof value === 'string') return { stringValue: value };
  return typeof value === 'number' ? { intValue: value } : { boolValue: value };
}

/** Resource.attributes and InstrumentationScope.attributes. */
export function encodeTextAttributes(tag: number, attributes: TextAttributes): Buffer {
  return Buffer.concat(attributes.map(([key, stringValue]) => encodeKeyValue(tag, key, { stringValue })));
}

/** A length-delimited field. */
export function field(tag: number, content: readonly Uint8Array[]): Buffer {
  const sizeBytes = content.reduce((sum, { length }) => sum + length, 0);
  return Buffer.concat([lengthHeader(tag, sizeBytes), ...content]);
}

export function lengthHeader(tag: number, sizeBytes: number): Buffer {
  return varintField(tag, BigInt(sizeBytes));
}

/** Lone surrogates become U+FFFD. */
export function textField(tag: number, text: string): Buffer {
  return field(tag, [Buffer.from(text)]);
}

/** AnyValue{string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5, kvlist_value = 6} */
function encodeValue({ stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue }: OtlpValue): Buffer {
  if (stringValue !== undefined) return textField(0x0a, stringValue);
  if (intValue !== undefined) return varintField(0x18, BigInt(intValue));
  if (boolValue !== undefined) return varintField(0x10, boolValue ? 1n : 0n);
  if (doubleValue !== undefined) return doubleField(0x21, doubleValue);
  if (kvlistValue !== undefined) {
    return container(
      0x32,
      (kvlistValue.values ?? []).map(({ key, value }) => encodeKeyValue(entryTag, key, value)),
    );
  }
  const elements = (arrayValue?.values ?? []).map(encodeValue).filter((element) => element.length > 0);
  return container(
    0x2a,
    elements.map((element) => field(entryTag, [element])),
  );
}

function container(tag: number, entries: readonly Buffer[]): Buffer {
  return entries.every((entry) => entry.length === 0) ? Buffer.alloc(0) : field(tag, entries);
}

/** Negative integers take ten bytes. */
function varintField(tag: number, value: bigint): Buffer {
  const bytes = [tag];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function doubleField(tag: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = tag;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function fixed64Field(tag: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = tag;
  bytes.writeBigUInt64LE(value, 1);
  return bytes;
}
