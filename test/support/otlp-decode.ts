/**
 * Decodes OTLP requests with an independent implementation (protobufjs) into the shape of OTLP/JSON, so that protobuf and JSON
 * requests can be compared with `toEqual`.
 */
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import protobuf from 'protobufjs';

export interface OtlpLogsRequest {
  readonly resourceLogs: readonly OtlpResourceLogs[];
}

export interface OtlpResourceLogs {
  readonly resource: OtlpResource;
  readonly scopeLogs: readonly OtlpScopeLogs[];
  readonly schemaUrl?: string;
}

export interface OtlpResource {
  readonly attributes: readonly OtlpKeyValue[];
}

export interface OtlpScopeLogs {
  readonly scope: { readonly name: string; readonly version?: string; readonly attributes?: readonly OtlpKeyValue[] };
  readonly logRecords: readonly OtlpLogRecord[];
  readonly schemaUrl?: string;
}

export interface OtlpLogRecord {
  /** Nanoseconds as a decimal string; absent if unset. */
  readonly timeUnixNano?: string;
  readonly observedTimeUnixNano?: string;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly body?: OtlpAnyValue;
  readonly attributes: readonly OtlpKeyValue[];
  readonly eventName?: string;
}

export interface OtlpKeyValue {
  readonly key: string;
  readonly value: OtlpAnyValue;
}

export interface OtlpAnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  /** A decimal string, because JSON numbers are exact only up to 2^53. */
  readonly intValue?: string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly OtlpAnyValue[] };
  readonly kvlistValue?: { readonly values: readonly OtlpKeyValue[] };
}

const protoText = readFileSync(new URL('otlp.proto', import.meta.url), 'utf8');
const types = protobuf.parse(protoText).root;
/** The same messages with every string as bytes: protobufjs replaces invalid UTF-8, for which Go and Rust reject the request. */
const typesWithRawStrings = protobuf.parse(protoText.replaceAll(/\bstring (?=\w+ =)/g, 'bytes ')).root;

/** Decodes a protobuf request. Throws if it is malformed, including invalid UTF-8 in any string. */
export function decodeLogsRequest(body: Uint8Array): OtlpLogsRequest {
  assertStringsAreUtf8(typesWithRawStrings.lookupType('otlp.ExportLogsServiceRequest').decode(body));
  const type = types.lookupType('otlp.ExportLogsServiceRequest');
  return type.toObject(type.decode(body), { longs: String, arrays: true }) as unknown as OtlpLogsRequest;
}

/** All records of a request in order, each with its resource and scope. */
export function recordsOf(
  request: OtlpLogsRequest,
): { record: OtlpLogRecord; resource: OtlpResource; scope: OtlpScopeLogs['scope'] }[] {
  return request.resourceLogs.flatMap(({ resource, scopeLogs }) =>
    scopeLogs.flatMap(({ scope, logRecords }) => logRecords.map((record) => ({ record, resource, scope }))),
  );
}

/** Attributes as a plain object: strings, booleans and numbers unchanged, 64-bit integers as bigint. */
export function plainAttributes(attributes: readonly OtlpKeyValue[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plainValue(value)]));
}

export function plainValue(value: OtlpAnyValue): unknown {
  if (value.intValue !== undefined) return BigInt(value.intValue);
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plainValue);
  if (value.kvlistValue !== undefined) return plainAttributes(value.kvlistValue.values);
  return value.stringValue ?? value.boolValue ?? value.doubleValue;
}

function assertStringsAreUtf8(value: unknown): void {
  if (value instanceof Uint8Array) {
    if (!isUtf8(value)) throw new Error(`not UTF-8: ${Buffer.from(value).toString('hex')}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) assertStringsAreUtf8(inner);
  }
}
