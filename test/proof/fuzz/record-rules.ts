/**
 * Rules that every record must follow, whatever its line was: valid OTLP, accounted for, and faithful to the line. Based on the
 * documentation (docs/mapping.md, OTLP), not on the code.
 */
import assert from 'node:assert/strict';
import { isJsonObject, type JsonValue, parseOrNothing, startsLikeJson } from '../../../src/runtime/exact-json.ts';
import type { OtlpAnyValue, OtlpKeyValue, OtlpLogRecord, OtlpResource } from '../../support/otlp-decode.ts';
import type { ExpectedLine } from './expected-lines.ts';
import type { FuzzedObject } from './fuzzed-object.ts';
import { commandMarker, secretMarker } from './hostile-lines.ts';

const eventNames = { parsed: 'databricks.audit', unparsed: 'databricks.audit.unparsed' } as const;
const severityNumbers: Readonly<Record<string, number>> = {
  TRACE: 1,
  DEBUG: 5,
  INFO: 9,
  WARN: 13,
  ERROR: 17,
  FATAL: 21,
};
const [timestampMinMs, timestampMaxMs] = [631_152_000_000, 9_223_372_036_854];
const millisecond = 1_000_000n;
const attributesMax = 64;
const mapDepthMax = 8;

export function checkRecord(
  record: OtlpLogRecord,
  resource: OtlpResource,
  line: ExpectedLine,
  object: FuzzedObject,
): void {
  assert(record.attributes.length <= attributesMax, `${record.attributes.length} attributes`);
  checkValid(record, resource);
  checkHead(record, object);
  checkBody(record, line, object);
  checkUid(record, line, object);
  checkOutcome(record, line);
}

/** Valid OTLP, whatever the mapping says. */
export function checkValid(record: OtlpLogRecord, resource: OtlpResource): void {
  checkKeyValues(resource.attributes, 1);
  checkKeyValues(record.attributes, 0);
}

/** The marker that had to be redacted is nowhere in the text. */
export function checkRedacted(output: string, { mapping }: FuzzedObject): void {
  if (mapping.redact.includes('secrets')) assert(!output.includes(secretMarker), leak);
  if (mapping.redact.includes('commands')) assert(!output.includes(commandMarker), leak);
}

export const leak = 'a value that redaction has to take out is in the output';

function checkKeyValues(entries: readonly OtlpKeyValue[], depth: number): void {
  const keys = new Set<string>();
  for (const { key, value } of entries) {
    assert(key !== '', 'an empty key');
    assert(!keys.has(key), `the key ${JSON.stringify(key)} twice`);
    assert(key.isWellFormed(), 'a key that is no Unicode');
    keys.add(key);
    checkValue(value, depth);
  }
}

function checkValue(value: OtlpAnyValue, depth: number): void {
  assert.equal(Object.keys(value).length, 1, `an AnyValue of one kind: ${JSON.stringify(value)}`);
  assert(depth <= mapDepthMax, 'a map that is too deep');
  const { stringValue, intValue, doubleValue, arrayValue, kvlistValue } = value;
  if (stringValue !== undefined)
    assert(stringValue !== '' && stringValue.isWellFormed(), 'a text that is empty or no Unicode');
  if (intValue !== undefined)
    assert.equal(BigInt.asIntN(64, BigInt(intValue)), BigInt(intValue), 'an integer of 64 bits');
  if (doubleValue !== undefined) assert(Number.isFinite(doubleValue), `the number ${doubleValue}`);
  for (const inner of arrayValue?.values ?? []) checkValue(inner, depth + 1);
  if (kvlistValue !== undefined) checkKeyValues(kvlistValue.values, depth + 1);
}

function checkHead(record: OtlpLogRecord, { observedAtMs }: FuzzedObject): void {
  const { severityText = '', severityNumber, timeUnixNano, observedTimeUnixNano = '0', eventName } = record;
  assert.equal(severityNumber, severityNumbers[severityText], `severity ${severityText}`);
  assert(eventName === eventNames.parsed || eventName === eventNames.unparsed, `event name ${eventName}`);
  const observedMs = Math.min(Math.max(Math.trunc(observedAtMs), 0), timestampMaxMs);
  assert.equal(BigInt(observedTimeUnixNano), BigInt(observedMs) * millisecond, 'observed time');
  assert.equal(timeUnixNano !== undefined, eventName === eventNames.parsed, 'a time exactly when the line was parsed');
  if (timeUnixNano === undefined) return;
  const timeNs = BigInt(timeUnixNano);
  assert(
    timeNs >= BigInt(timestampMinMs) * millisecond && timeNs <= BigInt(timestampMaxMs) * millisecond,
    'time range',
  );
}

function checkBody({ body }: OtlpLogRecord, line: ExpectedLine, { mapping }: FuzzedObject): void {
  const text = body?.stringValue;
  assert(text !== undefined && text !== '', 'a body');
  if (mapping.redact.length > 0 && text.includes('[redacted]')) return;
  const isCut = line.sizeBytes > line.bytes.length;
  const delivered = isCut ? withoutHalfCharacter(line.bytes) : line.bytes;
  if (text === delivered.toString()) return;
  // Of a repeated key, only the last value was checked, so the body is written anew without the others.
  assert(mapping.redact.length > 0 && hasKeyTwice(delivered.toString()), 'the body is the line as delivered');
  assert(isSameJson(text, delivered.toString()), 'a body that is written anew says the same');
}

function checkUid(
  { attributes }: OtlpLogRecord,
  { digest, occurrence, bytes, sizeBytes }: ExpectedLine,
  { mapping }: FuzzedObject,
): void {
  const suffix = occurrence === 1 ? '' : `-${occurrence}`;
  const uid = find(attributes, 'log.record.uid')?.stringValue;
  assert(uid !== undefined, 'log.record.uid is there');
  const record = sizeBytes > bytes.length ? undefined : parsedObject(bytes.toString());
  const ownId = scalarText(record?.eventId) ?? scalarText(record?.event_id) ?? scalarText(propertiesOf(record)?.logId);
  if (uid === digest + suffix || uid === `${ownId}${suffix}`.toWellFormed()) return;
  // Numbers in a record keep digits that a JavaScript number loses, and a string may contain something to redact.
  const isOwn = typeof ownId === 'number' || (mapping.redact.length > 0 && ownId?.includes('"') === true);
  assert(isOwn, `log.record.uid is ${JSON.stringify(uid)}`);
}

/** Parsed lines are shipped as events, all others unchanged as unparsed records. */
function checkOutcome(
  { eventName, timeUnixNano, attributes }: OtlpLogRecord,
  { bytes, sizeBytes }: ExpectedLine,
): void {
  const reason = find(attributes, 'databricks.audit.unparsed.reason')?.stringValue;
  assert.equal(
    reason !== undefined,
    eventName === eventNames.unparsed,
    'a reason exactly when the line was not parsed',
  );
  const isCut = sizeBytes > bytes.length;
  assert.equal(
    find(attributes, 'databricks.audit.line.truncated')?.boolValue,
    isCut ? true : undefined,
    'the mark of a cut line',
  );
  if (isCut) {
    assert.equal(eventName, eventNames.unparsed, 'a cut line is not parsed');
    assert.equal(
      find(attributes, 'databricks.audit.line.size')?.intValue,
      String(sizeBytes),
      'the size of the whole line',
    );
    return;
  }
  const record = parsedObject(bytes.toString());
  const times = [record?.timestamp, record?.event_time, record?.time];
  assert.equal(
    timeUnixNano,
    timestampOf(times.find((value) => value !== undefined && value !== null && value !== '')),
    'the time of the record',
  );
  if (record === undefined) return;
  for (const [attribute, field] of [
    ['databricks.audit.service.name', 'serviceName'],
    ['databricks.audit.action.name', 'actionName'],
  ] as const) {
    const value: unknown = Object.hasOwn(record, field) ? record[field] : undefined;
    if (typeof value !== 'string' || value === '' || Buffer.byteLength(value) > 4_096) continue;
    const written = find(attributes, attribute)?.stringValue;
    // A string may contain JSON with something to redact in it.
    if (written?.includes('[redacted]') === true || isSameJson(written ?? '', value)) continue;
    assert.equal(written, value.toWellFormed(), attribute);
  }
}

function find(attributes: readonly OtlpKeyValue[], name: string): OtlpAnyValue | undefined {
  return attributes.find(({ key }) => key === name)?.value;
}

function parsedObject(text: string): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : undefined;
}

/** Azure writes objects as strings, too. */
function propertiesOf(record: Record<string, unknown> | undefined): Record<string, unknown> | undefined {
  const properties = record?.properties;
  return typeof properties === 'string' ? parsedObject(properties) : asObject(properties);
}

/** In nanoseconds. */
function timestampOf(value: unknown): string | undefined {
  if (typeof value === 'string' && value.length >= 20) return isoTimeOf(value);
  const timeMs = typeof value === 'string' && /^[0-9]{12,13}$/.test(value) ? Number(value) : value;
  const isTime =
    typeof timeMs === 'number' && Number.isInteger(timeMs) && timeMs >= timestampMinMs && timeMs <= timestampMaxMs;
  return isTime ? `${BigInt(timeMs) * millisecond}` : undefined;
}

const isoPattern = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|([+-])((?:[01]\d|2[0-3])):?([0-5]\d))$/;

/** As in test/mapping/times.test.ts. */
function isoTimeOf(text: string): string | undefined {
  const [, date, time, fraction = '', sign, hours, minutes] = isoPattern.exec(text) ?? [];
  const localMs = Date.parse(`${date}T${time}Z`);
  if (Number.isNaN(localMs) || !new Date(localMs).toISOString().startsWith(`${date}T${time}`)) return undefined;
  const offsetMs = (Number(hours ?? 0) * 60 + Number(minutes ?? 0)) * 60_000 * (sign === '-' ? -1 : 1);
  const nanoseconds = BigInt(localMs - offsetMs) * millisecond + BigInt(fraction.slice(0, 9).padEnd(9, '0'));
  const isInRange = nanoseconds >= BigInt(timestampMinMs) * millisecond && nanoseconds <= 2n ** 63n - 1n;
  return isInRange ? String(nanoseconds) : undefined;
}

function scalarText(value: unknown): string | number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function isSameJson(one: string, other: string): boolean {
  return JSON.stringify(plainJson(one)) === JSON.stringify(plainJson(other));
}

/** Parses JSON in strings too, so that its formatting does not matter. */
function plainJson(text: string): unknown {
  const value = startsLikeJson(text) ? parseOrNothing(text) : undefined;
  return value === undefined ? text : plainValue(value);
}

function plainValue(value: JsonValue): unknown {
  if (typeof value === 'string') return plainJson(value);
  if (Array.isArray(value)) return value.map(plainValue);
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner = null]) => [key, plainValue(inner)]));
}

/** Searches all objects, including JSON in strings. */
function hasKeyTwice(text: string): boolean {
  const keysOfOpen: Set<string>[] = [];
  for (const [token, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}]/gs)) {
    if (token === '{') keysOfOpen.push(new Set());
    else if (token === '}') keysOfOpen.pop();
    else {
      const content: string = JSON.parse(colon === undefined ? token : token.slice(0, -colon.length));
      const keys = keysOfOpen.at(-1);
      if (colon !== undefined && keys?.has(content)) return true;
      if (colon !== undefined) keys?.add(content);
      else if (plainJson(content) !== content && hasKeyTwice(content)) return true;
    }
  }
  return false;
}

/** Removes the first bytes of a truncated character. */
function withoutHalfCharacter(bytes: Buffer): Buffer {
  for (let start = bytes.length - 1; start >= Math.max(0, bytes.length - 4); start--) {
    const byte = bytes[start] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const sizeBytes = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return start + sizeBytes > bytes.length ? bytes.subarray(0, start) : bytes;
  }
  return bytes;
}
