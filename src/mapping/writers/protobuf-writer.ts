/**
 * Log records as the protobuf body of an ExportLogsServiceRequest (opentelemetry-proto, logs/v1 and common/v1), written
 * straight into bytes. Field numbers are in the tags: number * 8 + wire type (0 varint, 1 eight bytes, 2 with length).
 */
import { Buffer } from 'node:buffer';
import type { Kernel } from '../kernel/kernel.ts';
import { type AttributeKey, arrayElement } from './attribute-key.ts';
import type { EncodedResource, Envelope } from './envelope.ts';
import type { AttributeComposer, LogRecordWriter, RecordHead, Severity } from './log-record-writer.ts';
import { type EncodedPart, encodePart, ProtobufBuffer, varint64Size, varintSize } from './protobuf-buffer.ts';

/** ScopeLogs.log_records = 2 */
const logRecordTag = 0x12;
/** LogRecord.attributes = 6 */
const attributeTag = 0x32;
/** KeyValueList.values = 1 and ArrayValue.values = 1 */
const entryTag = 0x0a;
/** KeyValue.value = 2 */
const valueTag = 0x12;
/** AnyValue: string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5, kvlist_value = 6 */
const anyValue = { string: 0x0a, boolean: 0x10, integer: 0x18, double: 0x21, array: 0x2a, map: 0x32 } as const;

/** Of the length of nearly all records: 128 to 16,383. */
const recordLengthBytes = 2;
/** Up to here a container and its key have lengths of one byte. */
const oneByteSizeMax = 90;
const initialSizeBytes = 256 * 1024;

/** A tag and a varint of 32 bits. */
const lengthHeaderBytesMax = 6;

/** A map or an array that is being written; its lengths are filled in at its end. */
interface OpenContainer {
  readonly start: number;
  /** Of the KeyValue; undefined for an element of an array. */
  readonly keyValueLength: number | undefined;
  readonly anyValueLength: number;
  readonly contentLength: number;
  /** Room that was kept for each of the lengths. */
  readonly lengthBytes: number;
  readonly outerTag: number;
}

/** Records in a row that belong to one resource. */
interface Run {
  readonly start: number;
  readonly group: Group;
}

interface Group {
  readonly resource: EncodedResource;
  readonly parts: Uint8Array[];
}

export class ProtobufWriter implements LogRecordWriter, AttributeComposer {
  recordCount = 0;
  readonly #envelope: Envelope;
  readonly #buffer = new ProtobufBuffer(initialSizeBytes);
  readonly #groups = new Map<string, Group>();
  readonly #runs: Run[] = [];
  readonly #containers: OpenContainer[] = [];
  #tag = attributeTag;
  #recordLength = 0;
  readonly #severityParts = new Map<Severity, EncodedPart>();
  /** Of the last record; mostly the same in the next one. */
  #observedAtMs = 0;
  #eventName: string | undefined;
  #endPart = encodePart(() => {});

  constructor(envelope: Envelope) {
    this.#envelope = envelope;
  }

  get sizeBytes(): number {
    return this.#buffer.at;
  }

  begin(resource: EncodedResource, head: RecordHead): void {
    const buffer = this.#buffer;
    if (this.recordCount === 0) buffer.at = this.#headRoomFor(resource);
    if (this.#runs.at(-1)?.group.resource !== resource) {
      this.#runs.push({ start: buffer.at, group: this.#groupOf(resource) });
    }
    this.recordCount++;

    buffer.byte(logRecordTag);
    this.#recordLength = buffer.beginLength(recordLengthBytes);
    if (head.timestampMs !== 0) {
      buffer.byte(0x09);
      buffer.nanosecondsOf(head.timestampMs);
    }
    buffer.part(this.#severityParts.get(head.severity) ?? this.#encodeSeverity(head.severity));
    this.#body(head);
    if (head.observedAtMs !== this.#observedAtMs || head.eventName !== this.#eventName) this.#encodeEnd(head);
  }

  string(key: AttributeKey, value: string): void {
    const buffer = this.#buffer;
    const sizeBytes = Buffer.byteLength(value);
    buffer.valueHeader(this.#tag, key.protobuf, 1 + varintSize(sizeBytes) + sizeBytes);
    buffer.byte(anyValue.string);
    buffer.varint(sizeBytes);
    buffer.utf8(value);
  }

  integer(key: AttributeKey, value: number | bigint): void {
    this.#buffer.valueHeader(this.#tag, key.protobuf, 1 + varint64Size(value));
    this.#buffer.byte(anyValue.integer);
    this.#buffer.varint64(value);
  }

  double(key: AttributeKey, value: number): void {
    this.#buffer.valueHeader(this.#tag, key.protobuf, 9);
    this.#buffer.byte(anyValue.double);
    this.#buffer.double(value);
  }

  boolean(key: AttributeKey, value: boolean): void {
    this.#buffer.valueHeader(this.#tag, key.protobuf, 2);
    this.#buffer.byte(anyValue.boolean);
    this.#buffer.byte(value ? 1 : 0);
  }

  beginMap(key: AttributeKey, likelySizeBytes = 0): void {
    this.#beginContainer(key, anyValue.map, likelySizeBytes);
  }

  beginArray(key: AttributeKey, likelySizeBytes = 0): void {
    this.#beginContainer(key, anyValue.array, likelySizeBytes);
  }

  endContainer(): void {
    const container = this.#containers.pop();
    if (container === undefined) throw new Error('a container ends before it begins');
    const buffer = this.#buffer;
    this.#tag = container.outerTag;
    const { lengthBytes } = container;
    if (buffer.at === container.contentLength + lengthBytes) {
      buffer.at = container.start;
      return;
    }
    buffer.endLength(container.contentLength, lengthBytes);
    buffer.endLength(container.anyValueLength, lengthBytes);
    if (container.keyValueLength !== undefined) buffer.endLength(container.keyValueLength, lengthBytes);
  }

  get composer(): AttributeComposer {
    return this;
  }

  compose(kernel: Kernel, instruction: number): number {
    const left = kernel.compose(instruction);
    this.#buffer.composed(kernel);
    return left;
  }

  get writtenBytes(): number {
    return this.#buffer.at;
  }

  writtenFrom(bytes: number): Uint8Array {
    return this.#buffer.view(bytes, this.#buffer.at);
  }

  end(): void {
    const buffer = this.#buffer;
    buffer.part(this.#endPart);
    buffer.endLength(this.#recordLength, recordLengthBytes);
  }

  finish(): Uint8Array {
    const [first, second] = this.#runs;
    const request = first !== undefined && second === undefined ? this.#frame(first) : this.#join();
    this.#groups.clear();
    this.#runs.length = 0;
    this.recordCount = 0;
    this.#buffer.at = 0;
    return request;
  }

  /** For what stands in front of the records of a resource. */
  #headRoomFor({ protobuf }: EncodedResource): number {
    const { scopeProtobuf } = this.#envelope;
    return protobuf.length + scopeProtobuf.length + 2 * lengthHeaderBytesMax;
  }

  /** The records where they are, in a frame: nearly all requests have one resource, and no megabyte has to be moved. */
  #frame({ start, group }: Run): Uint8Array {
    const buffer = this.#buffer;
    const { schemaUrlProtobuf } = this.#envelope;
    const parts = resourceLogs({ ...group, parts: [buffer.view(start, buffer.at)] }, this.#envelope);
    const head = Buffer.concat(parts.slice(0, partsInFrontOfRecords));
    buffer.bytes(schemaUrlProtobuf);
    buffer.bytes(schemaUrlProtobuf);
    buffer.view(start - head.length, start).set(head);
    return buffer.view(start - head.length, buffer.at);
  }

  /** The records by their resources. */
  #join(): Uint8Array {
    const buffer = this.#buffer;
    for (const [index, run] of this.#runs.entries()) {
      run.group.parts.push(buffer.view(run.start, this.#runs[index + 1]?.start ?? buffer.at));
    }
    return Buffer.concat([...this.#groups.values()].flatMap((group) => resourceLogs(group, this.#envelope)));
  }

  #encodeSeverity(severity: Severity): EncodedPart {
    const part = encodePart((buffer) => {
      buffer.byte(0x10);
      buffer.byte(severity.number);
      buffer.stringField(0x1a, severity.text);
    });
    this.#severityParts.set(severity, part);
    return part;
  }

  #encodeEnd({ observedAtMs, eventName }: RecordHead): void {
    this.#observedAtMs = observedAtMs;
    this.#eventName = eventName;
    this.#endPart = encodePart((buffer) => {
      buffer.byte(0x59);
      buffer.nanosecondsOf(observedAtMs);
      buffer.stringField(0x62, eventName);
    });
  }

  #body({ body }: RecordHead): void {
    const buffer = this.#buffer;
    buffer.byte(0x2a);
    buffer.varint(1 + varintSize(body.length) + body.length);
    buffer.byte(anyValue.string);
    buffer.varint(body.length);
    buffer.bytes(body);
  }

  #beginContainer(key: AttributeKey, tag: number, likelySizeBytes: number): void {
    const buffer = this.#buffer;
    const lengthBytes = likelySizeBytes > oneByteSizeMax ? 2 : 1;
    const start = buffer.at;
    const outerTag = this.#tag;
    let keyValueLength: number | undefined;
    buffer.byte(outerTag);
    if (key !== arrayElement) {
      keyValueLength = buffer.beginLength(lengthBytes);
      buffer.part(key.protobuf);
      buffer.byte(valueTag);
    }
    const anyValueLength = buffer.beginLength(lengthBytes);
    buffer.byte(tag);
    const contentLength = buffer.beginLength(lengthBytes);
    this.#tag = entryTag;
    this.#containers.push({ start, keyValueLength, anyValueLength, contentLength, lengthBytes, outerTag });
  }

  #groupOf(resource: EncodedResource): Group {
    const known = this.#groups.get(resource.identity);
    if (known !== undefined) return known;
    const group = { resource, parts: [] };
    this.#groups.set(resource.identity, group);
    return group;
  }
}

/** ResourceLogs and its length, the resource, ScopeLogs and its length, the scope. */
const partsInFrontOfRecords = 4;

/** ExportLogsServiceRequest.resource_logs = 1 { resource = 1, scope_logs = 2 { scope, log_records, schema_url }, schema_url = 3 } */
function resourceLogs(group: Group, envelope: Envelope): Uint8Array[] {
  const { schemaUrlProtobuf, scopeProtobuf } = envelope;
  const scopeLogs = [scopeProtobuf, ...group.parts, schemaUrlProtobuf];
  const content = [group.resource.protobuf, lengthHeader(0x12, scopeLogs), ...scopeLogs, schemaUrlProtobuf];
  return [lengthHeader(0x0a, content), ...content];
}

function lengthHeader(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const buffer = new ProtobufBuffer(16);
  buffer.byte(tag);
  buffer.varint(parts.reduce((sizeBytes, part) => sizeBytes + part.length, 0));
  return buffer.view(0, buffer.at);
}
