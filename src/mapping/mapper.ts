/**
 * Maps lines to log records. The kernel maps nearly all lines as they are; the others are parsed and normalised first. A line that cannot be
 * parsed becomes an unparsed record instead of an error, because no line may vanish.
 */
import { Buffer } from 'node:buffer';
import { randomInt } from 'node:crypto';
import type { AlertEvent, Mapper, OtlpEncoding, RequestEncoder } from '../contracts/mapper.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { createRequest, type Envelope, type Request, type Resource } from '../otlp/request.ts';
import { AlertEventWriter } from './alert-event.ts';
import { Kernel } from './kernel/kernel.ts';
import { loadMapping, type Mapping } from './mapping-file.ts';
import { compileProgram, isOfLine, type Program, type UnparsedReason } from './program/program.ts';
import { ProgramImage } from './program/program-image.ts';
import { LineParser } from './record/line-parser.ts';
import { Redactor } from './record/redaction.ts';
import { SensitiveKeys } from './record/sensitive-keys.ts';
import type { RedactionClass } from './redaction-classes.ts';
import { Resources } from './resources.ts';

export interface MapperOptions {
  /** Built-in names or paths of mapping files; later ones extend or override earlier ones. */
  readonly layers: readonly string[];
  readonly redact: readonly RedactionClass[];
  /** From OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME; they override those of the mapping. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
  /** An event first read this much later counts as late; by default none does. */
  readonly lateAfterMs?: number | undefined;
  /** The directory that paths of layers are relative to. */
  readonly workingDirectory?: string;
}

/** Reads and compiles the mapping; throws ERR_MAPPING_FILE with every mistake in it. */
export function createMapper(options: MapperOptions): Mapper {
  const mapping = loadMapping(options.layers, options.workingDirectory ?? '.');
  return new LineMapper(mapping, options);
}

class LineMapper implements Mapper {
  readonly #kernel: Kernel;
  readonly #program: Program;
  readonly #parser: LineParser;
  readonly #redactor: Redactor | undefined;
  readonly #resources: Resources;
  readonly #envelope: Envelope;
  readonly #alertEvents: AlertEventWriter;
  readonly #lateAfterMs: number;
  /** The resource of the last record. */
  #resource: Resource | undefined;
  #observedAtMs: number | undefined;
  #encoding: OtlpEncoding | undefined;

  constructor(mapping: Mapping, { redact, resourceAttributes, lateAfterMs }: MapperOptions) {
    const rules = redact.map((name) => mapping.redact[name]);
    const sensitiveKeys = rules.length === 0 ? undefined : new SensitiveKeys(rules);
    this.#redactor = sensitiveKeys && new Redactor(sensitiveKeys);
    this.#kernel = new Kernel(this.#redactor);
    const image = new ProgramImage(this.#kernel.programAt);
    const fixedResourceKeys = new Set(Object.keys(resourceAttributes));
    const hashSeed = randomInt(2 ** 31);
    const programOptions = { fixedResourceKeys, redactedServices: sensitiveKeys?.services, hashSeed };
    this.#program = compileProgram(mapping, programOptions, image);
    this.#kernel.load(image);
    const servicePaths = mapping.facts.get('service')?.from.filter((path) => !isOfLine(path)) ?? [];
    this.#parser = new LineParser(this.#redactor, servicePaths);
    this.#resources = new Resources(mapping, this.#program.resourceKeys, resourceAttributes);
    const { scopeName: name, version, scopeAttributes, schemaUrl } = mapping;
    this.#envelope = { scope: { name, version, attributes: [...scopeAttributes] }, schemaUrl };
    this.#alertEvents = new AlertEventWriter(mapping, this.#envelope, resourceAttributes);
    this.#lateAfterMs = lateAfterMs ?? Number.POSITIVE_INFINITY;
  }

  createEncoder(encoding: OtlpEncoding): RequestEncoder {
    const request = createRequest(encoding, this.#envelope);
    const append = (line: IdentifiedLine) => this.#append(line, request);
    return new LineEncoder(request, append, () => this.#unparsedReason(), this.#lateAfterMs);
  }

  toAlertEventLine(event: AlertEvent): string {
    return this.#alertEvents.toJsonLine(event);
  }

  toJsonLine(line: IdentifiedLine): string {
    const request = createRequest('json', this.#envelope);
    this.#append(line, request);
    return Buffer.from(request.finish()).toString();
  }

  /** @returns the timestamp of the record, 0 without one. */
  #append(line: IdentifiedLine, request: Request): number {
    const kernel = this.#kernel;
    this.#program.lineEntries.set(line, kernel);
    if (line.observedAtMs !== this.#observedAtMs) {
      this.#observedAtMs = line.observedAtMs;
      kernel.setObservedTime(toObservedMs(line.observedAtMs));
    }
    if (request.encoding !== this.#encoding) {
      this.#encoding = request.encoding;
      kernel.setEncoding(request.encoding);
    }
    const timeMs = this.#map(line);
    if (kernel.hasNewResource) this.#resource = undefined;
    this.#resource ??= this.#resources.of(kernel.resourceIdentity);
    request.add(this.#resource, kernel.bytes, kernel.recordStart, kernel.recordEnd);
    return timeMs;
  }

  /** Has the kernel compose the record. */
  #map({ bytes, sizeBytes, occurrence }: IdentifiedLine): number {
    if (sizeBytes > bytes.length) return this.#mapUnparsed(withoutHalfCharacter(Buffer.from(bytes)), 'cut', occurrence);
    const timeMs = this.#kernel.mapLine(bytes, occurrence);
    if (timeMs !== undefined) return timeMs;
    const line = Buffer.from(bytes);
    const parsed = this.#parser.parse(line);
    if (typeof parsed === 'string') return this.#mapUnparsed(line, parsed, occurrence);
    return this.#kernel.mapNormalised(parsed.json, parsed.body, occurrence);
  }

  /** Why the last record is unparsed; undefined if it is not. */
  #unparsedReason(): string | undefined {
    return this.#program.reasonTexts.get(this.#kernel.unparsedReason);
  }

  #mapUnparsed(bytes: Buffer, reason: UnparsedReason, occurrence: number): number {
    const text = bytes.toString();
    const body = Buffer.from(this.#redactor?.maskText(text) ?? text);
    this.#kernel.mapUnparsed(body, this.#program.reasons[reason], occurrence);
    return 0;
  }
}

class LineEncoder implements RequestEncoder {
  readonly #request: Request;
  readonly #append: (line: IdentifiedLine) => number;
  readonly #unparsedReason: () => string | undefined;
  readonly #lateAfterMs: number;
  #unparsed: Map<string, number> | undefined;
  #oldestMs = Number.POSITIVE_INFINITY;
  #newestMs = Number.NEGATIVE_INFINITY;
  #lateCount = 0;

  /**
   * @param append adds the record of a line to the request and returns its timestamp, 0 for an unparsed record.
   * @param unparsedReason of the record added last.
   */
  constructor(
    request: Request,
    append: (line: IdentifiedLine) => number,
    unparsedReason: () => string | undefined,
    lateAfterMs: number,
  ) {
    this.#request = request;
    this.#append = append;
    this.#unparsedReason = unparsedReason;
    this.#lateAfterMs = lateAfterMs;
  }

  append(line: IdentifiedLine): void {
    const timeMs = this.#append(line);
    if (timeMs === 0) {
      this.#countUnparsed();
      return;
    }
    if (timeMs < this.#oldestMs) this.#oldestMs = timeMs;
    if (timeMs > this.#newestMs) this.#newestMs = timeMs;
    if (line.observedAtMs - timeMs > this.#lateAfterMs) this.#lateCount++;
  }

  #countUnparsed(): void {
    const reason = this.#unparsedReason();
    if (reason === undefined) return;
    this.#unparsed ??= new Map();
    this.#unparsed.set(reason, (this.#unparsed.get(reason) ?? 0) + 1);
  }

  get recordCount(): number {
    return this.#request.recordCount;
  }

  get sizeBytes(): number {
    return this.#request.sizeBytes;
  }

  get eventTimes(): EventTimes | undefined {
    if (this.#oldestMs > this.#newestMs) return undefined;
    return { oldestMs: this.#oldestMs, newestMs: this.#newestMs, lateCount: this.#lateCount };
  }

  get unparsed(): ReadonlyMap<string, number> | undefined {
    return this.#unparsed;
  }

  finish(): Uint8Array {
    this.#unparsed = undefined;
    this.#oldestMs = Number.POSITIVE_INFINITY;
    this.#newestMs = Number.NEGATIVE_INFINITY;
    this.#lateCount = 0;
    return this.#request.finish();
  }
}

/** Drops an incomplete character at the end. The first of its up to four bytes encodes their number. */
function withoutHalfCharacter(bytes: Buffer): Buffer {
  let start = bytes.length - 1;
  while (start > bytes.length - 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start--;
  const first = bytes[start] ?? 0;
  const sizeBytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
  return start + sizeBytes > bytes.length ? bytes.subarray(0, start) : bytes;
}

/** File systems return fractions of a millisecond, and any time that someone has set. */
function toObservedMs(timeMs: number): number {
  const latestMs = 9_223_372_036_854;
  return Math.min(Math.max(Math.trunc(timeMs), 0), latestMs);
}
