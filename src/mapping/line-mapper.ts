/**
 * From a line to its log record: decode, parse, redact, map. What cannot be parsed becomes an unparsed record instead of
 * an error, because no line may vanish.
 */
import { Buffer } from 'node:buffer';
import type { Mapper, OtlpEncoding, RequestEncoder } from '../mapper.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { type CompiledMapping, compileMapping, type MappingInput } from './compile.ts';
import { toUnixMs } from './conversions.ts';
import { type Envelope, encodeEnvelope } from './envelope.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from './exact-json.ts';
import { JsonWriter } from './json-writer.ts';
import { type LogRecordWriter, type Severity, severities } from './log-record-writer.ts';
import { loadMapping, type Mapping } from './mapping-file.ts';
import type { RedactionClass } from './options.ts';
import { ProtobufWriter } from './protobuf-writer.ts';
import { Redactor } from './redaction.ts';
import { ResourceCache } from './resource-cache.ts';
import { SensitiveKeys } from './sensitive-keys.ts';

export interface MapperOptions {
  /** Built-in names or paths of mapping files; later ones extend or override earlier ones. */
  readonly layers: readonly string[];
  readonly redact: readonly RedactionClass[];
  /** From OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME; they override what the mapping says. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  /** That paths of layers start from. */
  readonly workingDirectory?: string;
}

/** Reads and compiles the mapping; throws ERR_MAPPING_FILE with every mistake in it. */
export function createMapper(options: MapperOptions): Mapper {
  const mapping = loadMapping(options.layers, options.workingDirectory ?? '.');
  return new LineMapper(mapping, options.redact, options.resourceAttributes);
}

class LineMapper implements Mapper {
  readonly #compiled: CompiledMapping;
  readonly #redactor: Redactor | undefined;
  readonly #resources: ResourceCache;
  readonly #envelope: Envelope;
  readonly #eventName: string;
  readonly #unparsedEventName: string;
  readonly #unparsedSeverity: Severity;

  constructor(
    mapping: Mapping,
    redact: readonly RedactionClass[],
    resourceAttributes: Readonly<Record<string, string>>,
  ) {
    this.#compiled = compileMapping(mapping);
    const rules = redact.map((name) => mapping.redact[name]);
    this.#redactor = rules.length === 0 ? undefined : new Redactor(new SensitiveKeys(rules));
    this.#resources = new ResourceCache(this.#compiled.resource, resourceAttributes);
    const { scopeName: name, version, scopeAttributes, schemaUrl } = mapping;
    this.#envelope = encodeEnvelope({ name, version, attributes: [...scopeAttributes] }, schemaUrl);
    this.#eventName = mapping.eventName;
    this.#unparsedEventName = mapping.unparsed.event;
    this.#unparsedSeverity = severities[mapping.unparsed.severity];
  }

  createEncoder(encoding: OtlpEncoding): RequestEncoder {
    const writer = encoding === 'protobuf' ? new ProtobufWriter(this.#envelope) : new JsonWriter(this.#envelope);
    const write = (line: IdentifiedLine) => this.#write(line, writer);
    let eventTimes: EventTimes | undefined;
    return {
      append(line) {
        eventTimes = extended(eventTimes, write(line));
      },
      get recordCount() {
        return writer.recordCount;
      },
      get sizeBytes() {
        return writer.sizeBytes;
      },
      get eventTimes() {
        return eventTimes;
      },
      finish() {
        eventTimes = undefined;
        return writer.finish();
      },
    };
  }

  toJsonLine(line: IdentifiedLine): string {
    const writer = new JsonWriter(this.#envelope);
    this.#write(line, writer);
    return writer.finishText();
  }

  /** Returns the record's timestamp, if it has one. */
  #write(line: IdentifiedLine, out: LogRecordWriter): number | undefined {
    const isCut = line.sizeBytes > line.bytes.length;
    const bytes = isCut ? withoutHalfCharacter(line.bytes) : line.bytes;
    const text = decode(bytes);
    const parsed = isCut ? unparsedReasons.cut : parseLine(text);
    if (typeof parsed !== 'string') return this.#writeRecord(line, text, parsed, out);
    this.#writeUnparsed(line, isCut, bytes, text, parsed, out);
    return undefined;
  }

  #writeRecord(line: IdentifiedLine, text: string, record: JsonObject, out: LogRecordWriter): number | undefined {
    const compiled = this.#compiled;
    const input = inputOf(line, false, this.#eventName);
    compiled.readRecord(record, input);
    const wasRedacted = this.#redactor?.redact(record, text, compiled.readService(input)) === true;
    if (wasRedacted) compiled.readRecord(record, input);
    const body = wasRedacted ? JSON.stringify(record) : text;
    const bodyUtf8 = wasRedacted ? undefined : utf8Of(line.bytes, text);
    compiled.readFacts(input);

    const timestamp = compiled.readTimestamp(input);
    const timestampMs = toUnixMs(timestamp);
    if (timestampMs === undefined) {
      input.unparsedReason = timestamp === undefined ? unparsedReasons.noTimestamp : unparsedReasons.badTimestamp;
      input.eventName = this.#unparsedEventName;
    }
    out.begin(this.#resources.of(input), {
      timestampMs: timestampMs ?? 0,
      observedAtMs: toObservedMs(line.observedAtMs),
      severity: timestampMs === undefined ? this.#unparsedSeverity : compiled.severityOf(input),
      eventName: input.eventName,
      body,
      bodyUtf8,
    });
    compiled.writeAttributes(input, out);
    out.end();
    return timestampMs;
  }

  #writeUnparsed(
    line: IdentifiedLine,
    isCut: boolean,
    bytes: Uint8Array,
    text: string,
    reason: string,
    out: LogRecordWriter,
  ): void {
    const input = inputOf(line, isCut, this.#unparsedEventName);
    input.unparsedReason = reason;
    const body = this.#redactor?.maskText(text) ?? text;
    out.begin(this.#resources.of(input), {
      timestampMs: 0,
      observedAtMs: toObservedMs(line.observedAtMs),
      severity: this.#unparsedSeverity,
      eventName: input.eventName,
      body,
      bodyUtf8: body === text ? utf8Of(bytes, text) : undefined,
    });
    this.#compiled.writeLineAttributes(input, out);
    out.end();
  }
}

/** Constant texts: what could not be parsed is in the body, and only there, where redaction has been over it. */
const unparsedReasons = {
  cut: 'longer than the limit of a line',
  notJson: 'not JSON',
  notAnObject: 'not a JSON object',
  tooDeep: 'nested too deeply',
  noTimestamp: 'no timestamp',
  badTimestamp: 'timestamp is not in Unix milliseconds from 1990 to 2262',
} as const;

function extended(times: EventTimes | undefined, timeMs: number | undefined): EventTimes | undefined {
  if (timeMs === undefined) return times;
  if (times === undefined) return { oldestMs: timeMs, newestMs: timeMs };
  if (timeMs >= times.oldestMs && timeMs <= times.newestMs) return times;
  return { oldestMs: Math.min(times.oldestMs, timeMs), newestMs: Math.max(times.newestMs, timeMs) };
}

/** The record, or why there is none. */
function parseLine(text: string): JsonObject | string {
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    return error instanceof RangeError ? unparsedReasons.tooDeep : unparsedReasons.notJson;
  }
  return isJsonObject(value) ? value : unparsedReasons.notAnObject;
}

function inputOf(line: IdentifiedLine, isCut: boolean, eventName: string): MappingInput {
  const { occurrence } = line;
  return { line, occurrence, isCut, unparsedReason: undefined, eventName, values: [], facts: [], wasShortened: false };
}

/** Invalid UTF-8 becomes U+FFFD. */
function decode(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** The bytes, when they are the UTF-8 of their text: nothing had to be replaced. */
function utf8Of(bytes: Uint8Array, text: string): Uint8Array | undefined {
  return text.includes('\uFFFD') ? undefined : bytes;
}

/** Without the beginning of a character at the end: of at most four bytes, the first says how many there are. */
function withoutHalfCharacter(bytes: Uint8Array): Uint8Array {
  let start = bytes.length - 1;
  while (start > bytes.length - 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  const first = bytes[start] ?? 0;
  const sizeBytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return start + sizeBytes > bytes.length ? bytes.subarray(0, start) : bytes;
}

/** File systems give fractions of a millisecond, and any time that somebody set. */
function toObservedMs(timeMs: number): number {
  const latestMs = 9_223_372_036_854;
  return Math.min(Math.max(Math.trunc(timeMs), 0), latestMs);
}
