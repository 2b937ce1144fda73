/**
 * Converts an encoded log record to OTLP/JSON (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"): 64-bit integers are
 * decimal strings, names are lowerCamelCase. Only reads what the mapping writes.
 */
import type { Buffer } from 'node:buffer';

/** @param start of the record, with its tag. */
export function recordJson(bytes: Buffer, start: number, end: number): string {
  const reader = new Reader(bytes, start);
  reader.tag();
  reader.varint();
  return readRecord(reader, end);
}

function readRecord(reader: Reader, end: number): string {
  let [time, observed, severityNumber, severityText, body, eventName] = ['', '', 0, '""', '', '""'];
  const attributes: string[] = [];
  while (reader.at < end) {
    const tag = reader.tag();
    if (tag === 0x09) time = `"timeUnixNano":"${reader.fixed64()}",`;
    else if (tag === 0x59) observed = `"observedTimeUnixNano":"${reader.fixed64()}"`;
    else if (tag === 0x10) severityNumber = reader.varint();
    else if (tag === 0x1a) severityText = reader.text();
    else if (tag === 0x2a) body = readValue(reader);
    else if (tag === 0x32) attributes.push(readKeyValue(reader));
    else if (tag === 0x62) eventName = reader.text();
    else throw unexpected(tag);
  }
  const head = `${time}${observed},"severityNumber":${severityNumber},"severityText":${severityText}`;
  return `{${head},"body":${body},"attributes":[${attributes.join(',')}],"eventName":${eventName}}`;
}

/** KeyValue{key = 1, value = 2} */
function readKeyValue(reader: Reader): string {
  reader.varint();
  reader.tag();
  const key = reader.text();
  reader.tag();
  return `{"key":${key},"value":${readValue(reader)}}`;
}

/** AnyValue{string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5, kvlist_value = 6} */
function readValue(reader: Reader): string {
  reader.varint();
  const tag = reader.tag();
  switch (tag) {
    case 0x0a:
      return `{"stringValue":${reader.text()}}`;
    case 0x10:
      return `{"boolValue":${reader.varint() !== 0}}`;
    case 0x18:
      return `{"intValue":"${reader.integer()}"}`;
    case 0x21:
      return `{"doubleValue":${reader.double()}}`;
    case 0x2a:
      return `{"arrayValue":{"values":[${readEntries(reader, readValue)}]}}`;
    case 0x32:
      return `{"kvlistValue":{"values":[${readEntries(reader, readKeyValue)}]}}`;
    default:
      throw unexpected(tag);
  }
}

function readEntries(reader: Reader, read: (reader: Reader) => string): string {
  const sizeBytes = reader.varint();
  const end = reader.at + sizeBytes;
  const entries: string[] = [];
  while (reader.at < end) {
    reader.tag();
    entries.push(read(reader));
  }
  return entries.join(',');
}

function unexpected(tag: number): Error {
  return new Error(`the agent writes no field with the tag ${tag}`);
}

class Reader {
  at: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  tag(): number {
    return this.#bytes[this.at++] ?? 0;
  }

  /** Lengths and small integers. */
  varint(): number {
    let value = 0;
    let factor = 1;
    while (true) {
      const byte = this.#bytes[this.at++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 0x80;
    }
  }

  /** A signed 64-bit integer. */
  integer(): number | bigint {
    const start = this.at;
    const value = this.varint();
    if (Number.isSafeInteger(value)) return value;
    let exact = 0n;
    for (let at = this.at - 1; at >= start; at--) exact = (exact << 7n) | BigInt((this.#bytes[at] ?? 0) & 0x7f);
    return BigInt.asIntN(64, exact);
  }

  fixed64(): bigint {
    this.at += 8;
    return this.#bytes.readBigUInt64LE(this.at - 8);
  }

  double(): number {
    this.at += 8;
    return this.#bytes.readDoubleLE(this.at - 8);
  }

  /** A string as JSON, in quotes. */
  text(): string {
    const sizeBytes = this.varint();
    this.at += sizeBytes;
    return JSON.stringify(this.#bytes.toString('utf8', this.at - sizeBytes, this.at));
  }
}
