/**
 * Builds an ExportLogsServiceRequest from encoded records, grouped by resource. The kernel writes protobuf, and JSON is converted from it, so a
 * record has a single definition.
 */
import { Buffer } from 'node:buffer';
import type { OtlpEncoding } from '../../contracts/mapper.ts';
import { encodeTextAttributes, field, lengthHeader, type TextAttributes, textField } from './protobuf.ts';
import { recordJson } from './record-json.ts';

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
  readonly recordCount: number;
  /** Close to the size of the request body so far. */
  readonly sizeBytes: number;
  /** Copies an encoded record (see `encodeRecord`) from the bytes between start and end. */
  add(resource: Resource, bytes: Buffer, start: number, end: number): void;
  /** The request body, valid until the next record is added. The request is empty afterwards. */
  finish(): Uint8Array;
}

export function createRequest(encoding: OtlpEncoding, envelope: Envelope): Request {
  return encoding === 'protobuf' ? new ProtobufRequest(envelope) : new JsonRequest(envelope);
}

const initialSizeBytes = 256 * 1024;
/** Reserved for what precedes the records: nearly all requests have a single resource, whose records then need not be moved. */
const headRoomBytes = 8192;

/** Consecutive records of one resource. */
interface Run {
  readonly start: number;
  readonly resource: Resource;
}

class ProtobufRequest implements Request {
  recordCount = 0;
  readonly #scope: Buffer;
  /** Field schema_url = 3, of ResourceLogs and ScopeLogs alike; empty without one. */
  readonly #schemaUrl: Buffer;
  #bytes = Buffer.allocUnsafeSlow(initialSizeBytes);
  #end = headRoomBytes;
  #runs: Run[] = [];
  #lastResource: Resource | undefined;

  constructor({ scope, schemaUrl }: Envelope) {
    const attributes = encodeTextAttributes(0x1a, scope.attributes);
    this.#scope = field(0x0a, [textField(0x0a, scope.name), textField(0x12, scope.version), attributes]);
    this.#schemaUrl = schemaUrl === undefined ? Buffer.alloc(0) : textField(0x1a, schemaUrl);
  }

  get sizeBytes(): number {
    return this.#end - headRoomBytes;
  }

  add(resource: Resource, bytes: Buffer, start: number, end: number): void {
    const sizeBytes = end - start;
    if (this.#end + sizeBytes > this.#bytes.length) this.#grow(sizeBytes);
    if (resource !== this.#lastResource) {
      this.#runs.push({ start: this.#end, resource });
      this.#lastResource = resource;
    }
    bytes.copy(this.#bytes, this.#end, start, end);
    this.#end += sizeBytes;
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
    const { before, after } = this.#resourceLogs(group);
    const start = headRoomBytes - before.length;
    if (start < 0 || group.records.length > 1) return this.#joined([group]);
    if (this.#end + after.length > this.#bytes.length) this.#grow(after.length);
    before.copy(this.#bytes, start);
    after.copy(this.#bytes, this.#end);
    return this.#bytes.subarray(start, this.#end + after.length);
  }

  #joined(groups: readonly Group[]): Uint8Array {
    return Buffer.concat(
      groups.flatMap((group) => {
        const { before, after } = this.#resourceLogs(group);
        return [before, ...group.records, after];
      }),
    );
  }

  /** ExportLogsServiceRequest.resource_logs = 1 { resource = 1, scope_logs = 2 { scope, log_records, schema_url }, schema_url = 3 } */
  #resourceLogs({ resource, records }: Group): { readonly before: Buffer; readonly after: Buffer } {
    const scopeLogs = [this.#scope, ...records, this.#schemaUrl];
    const encodedResource = field(0x0a, [encodeTextAttributes(0x0a, resource.attributes)]);
    const scopeHeader = lengthHeader(0x12, scopeLogs);
    const header = lengthHeader(0x0a, [encodedResource, scopeHeader, ...scopeLogs, this.#schemaUrl]);
    const before = Buffer.concat([header, encodedResource, scopeHeader, this.#scope]);
    return { before, after: Buffer.concat([this.#schemaUrl, this.#schemaUrl]) };
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
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#end + sizeBytes, this.#bytes.length * 2));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

interface Group {
  readonly resource: Resource;
  readonly records: readonly Buffer[];
}

class JsonRequest implements Request {
  recordCount = 0;
  sizeBytes = 0;
  readonly #scope: string;
  /** `,"schemaUrl":"..."` or nothing. */
  readonly #schemaUrl: string;
  readonly #groups = new Map<string, { readonly resource: Resource; readonly records: string[] }>();

  constructor({ scope, schemaUrl }: Envelope) {
    const { name, version, attributes } = scope;
    this.#scope = JSON.stringify({ name, version, attributes: jsonAttributes(attributes) });
    this.#schemaUrl = schemaUrl === undefined ? '' : `,"schemaUrl":${JSON.stringify(schemaUrl)}`;
  }

  add(resource: Resource, bytes: Buffer, start: number, end: number): void {
    const group = this.#groups.get(resource.identity) ?? { resource, records: [] };
    this.#groups.set(resource.identity, group);
    const record = recordJson(bytes, start, end);
    group.records.push(record);
    this.recordCount++;
    this.sizeBytes += Buffer.byteLength(record) + 1;
  }

  finish(): Uint8Array {
    const resourceLogs = [...this.#groups.values()].map(({ resource, records }) => {
      const scopeLogs = `{"scope":${this.#scope},"logRecords":[${records.join(',')}]${this.#schemaUrl}}`;
      const attributes = JSON.stringify({ attributes: jsonAttributes(resource.attributes) });
      return `{"resource":${attributes},"scopeLogs":[${scopeLogs}]${this.#schemaUrl}}`;
    });
    this.#groups.clear();
    this.recordCount = 0;
    this.sizeBytes = 0;
    return Buffer.from(`{"resourceLogs":[${resourceLogs.join(',')}]}`);
  }
}

function jsonAttributes(attributes: TextAttributes): unknown[] {
  return attributes.map(([key, value]) => ({
    key: key.toWellFormed(),
    value: { stringValue: value.toWellFormed() },
  }));
}
