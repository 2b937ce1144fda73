/**
 * Builds an ExportLogsServiceRequest from encoded records, grouped by resource.
 */
import { Buffer } from 'node:buffer';
import type { OtlpEncoding } from '../contracts/mapper.ts';
import type { OtlpKeyValue } from '../model/otlp-json.ts';
import { jsonAttributes } from './json.ts';
import { encodeTextAttributes, field, lengthHeader, type TextAttributes, textField } from './protobuf.ts';

/** The instrumentation scope of all records. */
export interface Envelope {
  readonly scope: { readonly name: string; readonly version: string; readonly attributes: TextAttributes };
  readonly schemaUrl: string | undefined;
}

export interface Resource {
  /** Equal for equal resources. */
  readonly identity: string;
  readonly attributes: TextAttributes;
}

export interface Request {
  readonly encoding: OtlpEncoding;
  readonly recordCount: number;
  /** Close to the size of the request body so far. */
  readonly sizeBytes: number;
  /** Copies a record in the encoding of the request from the bytes between start and end. */
  add(resource: Resource, bytes: Buffer, start: number, end: number): void;
  /** The request body, valid until the next record is added. The request is empty afterwards. */
  finish(): Uint8Array;
}

export function createRequest(encoding: OtlpEncoding, envelope: Envelope): Request {
  return new RecordRequest(encoding, encoding === 'protobuf' ? new ProtobufFrame(envelope) : new JsonFrame(envelope));
}

/** What an encoding writes around the records. */
interface Frame {
  /** Around the groups of records. */
  readonly opening: Buffer;
  readonly closing: Buffer;
  /** Between two groups, and between two records. */
  readonly separator: Buffer;
  /** Around the records of one resource. */
  around(resource: Resource, recordsBytes: number): { readonly before: Buffer; readonly after: Buffer };
}

/** One step leads from here to what the largest request by default takes: a buffer that was outgrown stays in the process for a while. */
const initialSizeBytes = 576 * 1024;
const growthFactor = 4;
/** Reserved for what precedes the records: nearly all requests have a single resource, whose records then need not be moved. */
const headRoomBytes = 8192;

/** Consecutive records of one resource. */
interface Run {
  readonly start: number;
  readonly resource: Resource;
}

class RecordRequest implements Request {
  readonly encoding: OtlpEncoding;
  recordCount = 0;
  readonly #frame: Frame;
  #bytes = Buffer.allocUnsafeSlow(initialSizeBytes);
  #end = headRoomBytes;
  #runs: Run[] = [];
  #lastResource: Resource | undefined;

  constructor(encoding: OtlpEncoding, frame: Frame) {
    this.encoding = encoding;
    this.#frame = frame;
  }

  get sizeBytes(): number {
    return this.#end - headRoomBytes;
  }

  add(resource: Resource, bytes: Buffer, start: number, end: number): void {
    const { separator } = this.#frame;
    const sizeBytes = separator.length + end - start;
    if (this.#end + sizeBytes > this.#bytes.length) this.#grow(sizeBytes);
    if (resource !== this.#lastResource) {
      this.#runs.push({ start: this.#end, resource });
      this.#lastResource = resource;
    } else if (separator.length > 0) this.#end += separator.copy(this.#bytes, this.#end);
    this.#end += bytes.copy(this.#bytes, this.#end, start, end);
    this.recordCount++;
  }

  finish(): Uint8Array {
    const groups = this.#groups();
    const [first, second] = groups;
    const request = first !== undefined && second === undefined ? this.#framed(first) : this.#joined(groups);
    this.recordCount = 0;
    this.#runs = [];
    this.#lastResource = undefined;
    this.#end = headRoomBytes;
    return request;
  }

  /** Writes what precedes and follows the records around them, in place. */
  #framed(group: Group): Uint8Array {
    const { opening, closing } = this.#frame;
    const { before, after } = this.#around(group);
    const start = headRoomBytes - before.length - opening.length;
    if (start < 0 || group.records.length > 1) return this.#joined([group]);
    const tail = Buffer.concat([after, closing]);
    if (this.#end + tail.length > this.#bytes.length) this.#grow(tail.length);
    opening.copy(this.#bytes, start);
    before.copy(this.#bytes, start + opening.length);
    tail.copy(this.#bytes, this.#end);
    return this.#bytes.subarray(start, this.#end + tail.length);
  }

  #joined(groups: readonly Group[]): Uint8Array {
    const { opening, closing, separator } = this.#frame;
    const parts = groups.map((group) => {
      const { before, after } = this.#around(group);
      return [before, ...interleaved(group.records, separator), after];
    });
    return Buffer.concat([opening, ...interleaved(parts, [separator]).flat(), closing]);
  }

  #around({ resource, records }: Group): ReturnType<Frame['around']> {
    const sizeBytes = records.reduce((sum, { length }) => sum + length, 0);
    return this.#frame.around(resource, sizeBytes);
  }

  #groups(): Group[] {
    const groups = new Map<string, { resource: Resource; records: Buffer[] }>();
    for (const [index, { resource, start }] of this.#runs.entries()) {
      const group = groups.get(resource.identity) ?? { resource, records: [] };
      groups.set(resource.identity, group);
      group.records.push(this.#bytes.subarray(start, this.#runs[index + 1]?.start ?? this.#end));
    }
    return [...groups.values()];
  }

  #grow(sizeBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#end + sizeBytes, growthFactor * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

interface Group {
  readonly resource: Resource;
  /** One or more records each, with separators between them. */
  readonly records: readonly Buffer[];
}

function interleaved<Item>(items: readonly Item[], separator: Item): Item[] {
  return items.flatMap((item, index) => (index === 0 ? [item] : [separator, item]));
}

const nothing = Buffer.alloc(0);

/** ExportLogsServiceRequest.resource_logs = 1 { resource = 1, scope_logs = 2 { scope, log_records, schema_url }, schema_url = 3 } */
class ProtobufFrame implements Frame {
  readonly opening = nothing;
  readonly closing = nothing;
  readonly separator = nothing;
  readonly #scope: Buffer;
  /** Field schema_url = 3, of ResourceLogs and ScopeLogs alike; empty without one. */
  readonly #schemaUrl: Buffer;

  constructor({ scope, schemaUrl }: Envelope) {
    const attributes = encodeTextAttributes(0x1a, scope.attributes);
    this.#scope = field(0x0a, [textField(0x0a, scope.name), textField(0x12, scope.version), attributes]);
    this.#schemaUrl = schemaUrl === undefined ? nothing : textField(0x1a, schemaUrl);
  }

  around(resource: Resource, recordsBytes: number) {
    const scopeBytes = this.#scope.length + recordsBytes + this.#schemaUrl.length;
    const encodedResource = field(0x0a, [encodeTextAttributes(0x0a, resource.attributes)]);
    const scopeHeader = lengthHeader(0x12, scopeBytes);
    const resourceLogsBytes = encodedResource.length + scopeHeader.length + scopeBytes + this.#schemaUrl.length;
    const header = lengthHeader(0x0a, resourceLogsBytes);
    const before = Buffer.concat([header, encodedResource, scopeHeader, this.#scope]);
    return { before, after: Buffer.concat([this.#schemaUrl, this.#schemaUrl]) };
  }
}

class JsonFrame implements Frame {
  readonly opening = Buffer.from('{"resourceLogs":[');
  readonly closing = Buffer.from(']}');
  readonly separator = Buffer.from(',');
  readonly #scope: string;
  readonly #after: Buffer;

  constructor({ scope: { name, version, attributes }, schemaUrl }: Envelope) {
    this.#scope = JSON.stringify({ name, version, attributes: textAttributes(attributes) });
    const schema = schemaUrl === undefined ? '' : `,"schemaUrl":${JSON.stringify(schemaUrl)}`;
    this.#after = Buffer.from(`]${schema}}]${schema}}`);
  }

  around(resource: Resource) {
    const attributes = JSON.stringify({ attributes: textAttributes(resource.attributes) });
    const before = Buffer.from(`{"resource":${attributes},"scopeLogs":[{"scope":${this.#scope},"logRecords":[`);
    return { before, after: this.#after };
  }
}

function textAttributes(attributes: TextAttributes): OtlpKeyValue[] {
  return jsonAttributes(attributes.map(([key, stringValue]) => ({ key, value: { stringValue } })));
}
