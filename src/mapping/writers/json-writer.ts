/**
 * Log records as OTLP/JSON (opentelemetry-proto, docs/specification.md "JSON Protobuf Encoding"): 64-bit integers are
 * decimal strings, names are lowerCamelCase.
 */
import { Buffer } from 'node:buffer';
import type { AttributeKey } from './attribute-key.ts';
import type { EncodedResource, Envelope } from './envelope.ts';
import type { LogRecordWriter, RecordHead } from './log-record-writer.ts';

/** A map or an array that is being written. */
interface OpenContainer {
  /** What was written in front of it. */
  readonly before: string;
  readonly opening: string;
  readonly closing: string;
}

export class JsonWriter implements LogRecordWriter {
  readonly composer = undefined;
  recordCount = 0;
  sizeBytes = 0;
  readonly #envelope: Envelope;
  /** By the identity of the resource. */
  readonly #groups = new Map<string, { readonly resource: EncodedResource; readonly records: string[] }>();
  readonly #containers: OpenContainer[] = [];
  #records: string[] = [];
  #head = '';
  #tail = '';
  /** The attributes, or the entries of the innermost container, each followed by a comma. */
  #entries = '';

  constructor(envelope: Envelope) {
    this.#envelope = envelope;
  }

  begin(resource: EncodedResource, head: RecordHead): void {
    this.#records = this.#recordsOf(resource);
    this.recordCount++;
    const time = head.timestampMs === 0 ? '' : `"timeUnixNano":"${nanosecondsOf(head.timestampMs)}",`;
    const observed = `"observedTimeUnixNano":"${nanosecondsOf(head.observedAtMs)}"`;
    const severity = `"severityNumber":${head.severity.number},"severityText":"${head.severity.text}"`;
    this.#head = `{${time}${observed},${severity},"body":{"stringValue":${quoted(head.body.toString())}},"attributes":[`;
    this.#tail = `],"eventName":${quoted(head.eventName)}}`;
    this.#entries = '';
  }

  string(key: AttributeKey, value: string): void {
    this.#entry(key, `{"stringValue":${quoted(value)}}`);
  }

  integer(key: AttributeKey, value: number | bigint): void {
    this.#entry(key, `{"intValue":"${value}"}`);
  }

  double(key: AttributeKey, value: number): void {
    this.#entry(key, `{"doubleValue":${value}}`);
  }

  boolean(key: AttributeKey, value: boolean): void {
    this.#entry(key, `{"boolValue":${value}}`);
  }

  beginMap(key: AttributeKey): void {
    this.#beginContainer(key, '{"kvlistValue":{"values":[');
  }

  beginArray(key: AttributeKey): void {
    this.#beginContainer(key, '{"arrayValue":{"values":[');
  }

  endContainer(): void {
    const container = this.#containers.pop();
    if (container === undefined) throw new Error('a container ends before it begins');
    const values = this.#entries.slice(0, -1);
    this.#entries = container.before;
    if (values !== '') this.#entries += `${container.opening}${values}]}}${container.closing}`;
  }

  end(): void {
    const record = `${this.#head}${this.#entries.slice(0, -1)}${this.#tail}`;
    this.#records.push(record);
    this.sizeBytes += Buffer.byteLength(record) + 1;
  }

  finish(): Uint8Array {
    return Buffer.from(this.finishText());
  }

  /** The request as text, which has no line break in it; the writer is empty afterwards. */
  finishText(): string {
    const { scopeJson, schemaUrlJson } = this.#envelope;
    const resourceLogs = [...this.#groups.values()].map(({ resource, records }) => {
      const scopeLogs = `{"scope":${scopeJson},"logRecords":[${records.join(',')}]${schemaUrlJson}}`;
      return `{"resource":${resource.json},"scopeLogs":[${scopeLogs}]${schemaUrlJson}}`;
    });
    this.#groups.clear();
    this.recordCount = 0;
    this.sizeBytes = 0;
    return `{"resourceLogs":[${resourceLogs.join(',')}]}`;
  }

  #entry(key: AttributeKey, value: string): void {
    this.#entries += key.json === '' ? `${value},` : `${key.json}${value}},`;
  }

  #beginContainer(key: AttributeKey, opening: string): void {
    const closing = key.json === '' ? ',' : '},';
    this.#containers.push({ before: this.#entries, opening: key.json + opening, closing });
    this.#entries = '';
  }

  #recordsOf(resource: EncodedResource): string[] {
    const known = this.#groups.get(resource.identity);
    if (known !== undefined) return known.records;
    const records: string[] = [];
    this.#groups.set(resource.identity, { resource, records });
    return records;
  }
}

function nanosecondsOf(timeMs: number): string {
  return timeMs === 0 ? '0' : `${timeMs}000000`;
}

/** Lone surrogates become U+FFFD, as in UTF-8; `JSON.stringify` alone would keep them as escapes. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed());
}
