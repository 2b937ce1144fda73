/**
 * From a line to its log record: decode, parse, redact, map. What cannot be parsed becomes an unparsed record instead of
 * an error, because no line may vanish.
 */
import { Buffer } from 'node:buffer';
import type { AlertEvent, Mapper, OtlpEncoding, RequestEncoder } from '../contracts/mapper.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { ObjectOrigin } from '../model/object.ts';
import { AlertEventWriter } from './alert-event.ts';
import { toUnixMs } from './conversions.ts';
import { Kernel } from './kernel/kernel.ts';
import { loadMapping, type Mapping } from './mapping-file.ts';
import type { RedactionClass } from './options.ts';
import { type CompiledMapping, compileMapping } from './plan/compile.ts';
import { type MappingInput, type RecordPlan, readPlanned, writeAttributes } from './plan/record-plan.ts';
import { ResourceCache } from './plan/resource-cache.ts';
import type { FoundPaths } from './record/record-paths.ts';
import { RecordReader } from './record/record-reader.ts';
import { SensitiveKeys } from './record/sensitive-keys.ts';
import { ShapeFacts } from './record/shape-facts.ts';
import { type Envelope, encodeEnvelope } from './writers/envelope.ts';
import { JsonWriter } from './writers/json-writer.ts';
import { type LogRecordWriter, type Severity, severities } from './writers/log-record-writer.ts';
import { ProtobufWriter } from './writers/protobuf-writer.ts';

export interface MapperOptions {
  /** Built-in names or paths of mapping files; later ones extend or override earlier ones. */
  readonly layers: readonly string[];
  readonly redact: readonly RedactionClass[];
  /** From OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME; they override what the mapping says. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  /** An event that is met so much later counts as late; never by default. */
  readonly lateAfterMs?: number | undefined;
  /** That paths of layers start from. */
  readonly workingDirectory?: string;
}

/** Reads and compiles the mapping; throws ERR_MAPPING_FILE with every mistake in it. */
export function createMapper(options: MapperOptions): Mapper {
  const mapping = loadMapping(options.layers, options.workingDirectory ?? '.');
  return new LineMapper(mapping, options);
}

class LineMapper implements Mapper {
  readonly #compiled: CompiledMapping;
  readonly #kernel = new Kernel();
  readonly #plans = new ShapeFacts<RecordPlan>();
  readonly #planBySignature = new Map<string, RecordPlan>();
  readonly #linePlan: RecordPlan;
  readonly #reader: RecordReader;
  readonly #envelope: Envelope;
  readonly #notices: AlertEventWriter;
  readonly #lateAfterMs: number;
  readonly #eventName: string;
  readonly #unparsedEventName: string;
  readonly #unparsedSeverity: Severity;
  /** Of the last record. */
  #unparsedReason: string | undefined;
  #origin: ObjectOrigin | undefined;

  constructor(mapping: Mapping, { redact, resourceAttributes, lateAfterMs }: MapperOptions) {
    const rules = redact.map((name) => mapping.redact[name]);
    const sensitiveKeys = rules.length === 0 ? undefined : new SensitiveKeys(rules);
    this.#reader = new RecordReader(this.#kernel, mapping.facts.get('service')?.from ?? [], sensitiveKeys);
    const resources = new ResourceCache([...mapping.resource.keys()], resourceAttributes);
    this.#compiled = compileMapping(mapping, this.#kernel, this.#reader, resources);
    this.#linePlan = this.#compiled.planLine();
    const { scopeName: name, version, scopeAttributes, schemaUrl } = mapping;
    this.#envelope = encodeEnvelope({ name, version, attributes: [...scopeAttributes] }, schemaUrl);
    this.#notices = new AlertEventWriter(mapping, this.#envelope, resourceAttributes);
    this.#lateAfterMs = lateAfterMs ?? Number.POSITIVE_INFINITY;
    this.#eventName = mapping.eventName;
    this.#unparsedEventName = mapping.unparsed.event;
    this.#unparsedSeverity = severities[mapping.unparsed.severity];
  }

  createEncoder(encoding: OtlpEncoding): RequestEncoder {
    const writer = encoding === 'protobuf' ? new ProtobufWriter(this.#envelope) : new JsonWriter(this.#envelope);
    const write = (line: IdentifiedLine) => this.#write(line, writer);
    const lateAfterMs = this.#lateAfterMs;
    const times = new EventTimeRange();
    let unparsed: Map<string, number> | undefined;
    return {
      append: (line) => {
        const timeMs = write(line);
        const reason = this.#unparsedReason;
        if (reason !== undefined) {
          unparsed ??= new Map();
          unparsed.set(reason, (unparsed.get(reason) ?? 0) + 1);
        }
        if (timeMs !== undefined) times.add(timeMs, line.observedAtMs - timeMs > lateAfterMs);
      },
      get recordCount() {
        return writer.recordCount;
      },
      get sizeBytes() {
        return writer.sizeBytes;
      },
      get eventTimes() {
        return times.get();
      },
      get unparsed() {
        return unparsed;
      },
      finish() {
        times.clear();
        unparsed = undefined;
        return writer.finish();
      },
    };
  }

  toAlertEventLine(event: AlertEvent): string {
    return this.#notices.toJsonLine(event);
  }

  toJsonLine(line: IdentifiedLine): string {
    const writer = new JsonWriter(this.#envelope);
    this.#write(line, writer);
    return writer.finishText();
  }

  /** Returns the record's timestamp, if it has one. */
  #write(line: IdentifiedLine, out: LogRecordWriter): number | undefined {
    const bytes = asBuffer(line.bytes);
    const isCut = line.sizeBytes > line.bytes.length;
    const body = isCut ? cutReason : this.#reader.read(bytes);
    const { tape } = this.#reader;
    const { occurrence, origin } = line;
    this.#kernel.setLine(origin !== this.#origin, occurrence === 1 ? line.digest : undefined);
    this.#origin = origin;
    const eventName = this.#eventName;
    const input = { line, occurrence, isCut, unparsedReason: undefined, eventName, tape, wasShortened: false };
    this.#unparsedReason = typeof body === 'string' ? body : undefined;
    if (typeof body !== 'string') return this.#writeRecord(input, body, out);
    this.#writeUnparsed(input, isCut ? withoutHalfCharacter(bytes) : bytes, body, out);
    return undefined;
  }

  #writeRecord(input: MappingInput, body: Buffer, out: LogRecordWriter): number | undefined {
    const { line } = input;
    const plan = this.#planOf(this.#reader.shape);
    const timestamp = plan.readTimestamp?.(input);
    const timestampMs = toUnixMs(timestamp);
    if (timestampMs === undefined) {
      input.unparsedReason = timestamp === undefined ? timestampReasons.missing : timestampReasons.outOfRange;
      input.eventName = this.#unparsedEventName;
      this.#unparsedReason = input.unparsedReason;
    }
    out.begin(readPlanned(plan.resource, input), {
      timestampMs: timestampMs ?? 0,
      observedAtMs: toObservedMs(line.observedAtMs),
      severity: timestampMs === undefined ? this.#unparsedSeverity : readPlanned(plan.severity, input),
      eventName: input.eventName,
      body,
    });
    writeAttributes(plan, input, out);
    out.end();
    return timestampMs;
  }

  #planOf(shape: number): RecordPlan {
    const known = this.#plans.get(shape);
    if (known !== undefined) return known;
    const paths = this.#reader.findPaths();
    if (paths.signature === undefined) return this.#compiled.planRecord(paths);
    const plan = this.#planBySignature.get(paths.signature) ?? this.#plan(paths, paths.signature);
    this.#plans.set(shape, plan);
    return plan;
  }

  /** Shapes that differ where the mapping does not look share a plan. */
  #plan(paths: FoundPaths, signature: string): RecordPlan {
    if (this.#planBySignature.size >= plansMax) {
      this.#planBySignature.clear();
      this.#plans.clear();
      this.#kernel.clearPrograms();
    }
    const plan = this.#compiled.planRecord(paths);
    this.#planBySignature.set(signature, plan);
    return plan;
  }

  #writeUnparsed(input: MappingInput, bytes: Buffer, reason: string, out: LogRecordWriter): void {
    input.unparsedReason = reason;
    input.eventName = this.#unparsedEventName;
    out.begin(readPlanned(this.#linePlan.resource, input), {
      timestampMs: 0,
      observedAtMs: toObservedMs(input.line.observedAtMs),
      severity: this.#unparsedSeverity,
      eventName: input.eventName,
      body: Buffer.from(this.#reader.maskText(bytes.toString())),
    });
    writeAttributes(this.#linePlan, input, out);
    out.end();
  }
}

/** More than deliveries have; records can make up ever more. */
const plansMax = 256;

/** Constant texts: what could not be parsed is in the body, and only there, where redaction has been over it. */
const cutReason = 'longer than the limit of a line';
const timestampReasons = {
  missing: 'no timestamp',
  outOfRange: 'timestamp is not in Unix milliseconds from 1990 to 2262',
} as const;

/** Of the records of a request; plain numbers, because nearly every record moves one of them. */
class EventTimeRange {
  #oldestMs = Number.POSITIVE_INFINITY;
  #newestMs = Number.NEGATIVE_INFINITY;
  #lateCount = 0;

  add(timeMs: number, isLate: boolean): void {
    if (timeMs < this.#oldestMs) this.#oldestMs = timeMs;
    if (timeMs > this.#newestMs) this.#newestMs = timeMs;
    if (isLate) this.#lateCount++;
  }

  get(): EventTimes | undefined {
    if (this.#oldestMs > this.#newestMs) return undefined;
    return { oldestMs: this.#oldestMs, newestMs: this.#newestMs, lateCount: this.#lateCount };
  }

  clear(): void {
    this.#oldestMs = Number.POSITIVE_INFINITY;
    this.#newestMs = Number.NEGATIVE_INFINITY;
    this.#lateCount = 0;
  }
}

/** A view for each line would cost more than it does to look. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Without the beginning of a character at the end: of at most four bytes, the first says how many there are. */
function withoutHalfCharacter(bytes: Buffer): Buffer {
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
