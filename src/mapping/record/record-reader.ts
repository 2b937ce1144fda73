/**
 * From the bytes of a line to its record on a tape, redacted. A usual line is scanned and nothing else. What is odd about a
 * line (keys that come twice, bytes that are no UTF-8, something to redact) is put right by way of JSON.parse and written as
 * JSON again, and then that is scanned: so there is one way on from here.
 */
import { Buffer } from 'node:buffer';
import { type Kernel, unkeptShape } from '../kernel/kernel.ts';
import { kinds } from '../kernel/tape.ts';
import {
  inspectedDepthMax,
  isExactNumber,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJson,
  parseJsonObject,
  startsLikeJson,
} from './exact-json.ts';
import { JsonTape } from './json-tape.ts';
import { RecordKeys } from './record-keys.ts';
import { type FoundPaths, RecordPaths } from './record-paths.ts';
import { Redactor } from './redaction.ts';
import type { SensitiveKeys } from './sensitive-keys.ts';
import { ShapeFacts } from './shape-facts.ts';

/** Constant texts: what could not be parsed is in the body, and only there, where redaction has been over it. */
export const unreadableReasons = {
  notJson: 'not JSON',
  notAnObject: 'not a JSON object',
  tooDeep: 'nested too deeply',
} as const;

export type UnreadableReason = (typeof unreadableReasons)[keyof typeof unreadableReasons];

/** Of containers in each other. No real record comes near; what is deeper is looked at by JSON.parse first. */
const scannedDepthMax = 32;

/** What follows from the shape of a record for its redaction. */
interface Inspection {
  /** Which of two equal keys counts, and what keys become that are no Unicode, only JSON.parse can tell. */
  readonly hasOddKeys: boolean;
  readonly hasSensitiveKey: boolean;
  /** A key that is sensitive in some services only. */
  readonly hasKeySensitiveInService: boolean;
  readonly escapedTexts: readonly number[];
}

export class RecordReader {
  readonly #servicePaths: readonly string[];
  readonly #sensitiveKeys: SensitiveKeys | undefined;
  readonly #redactor: Redactor | undefined;
  readonly #paths = new RecordPaths();
  readonly #inspections = new ShapeFacts<Inspection>();
  /** Where the service stands in records of the shape. */
  readonly #serviceEntries = new ShapeFacts<{ readonly entry: number | undefined }>();
  readonly #textTape: JsonTape;
  /** Of the record that was read last. */
  readonly tape: JsonTape;
  #shape = unkeptShape;
  #found: FoundPaths | undefined;

  /** @param servicePaths of the service that a record is about, for rules of redaction. */
  constructor(kernel: Kernel, servicePaths: readonly string[], sensitiveKeys: SensitiveKeys | undefined) {
    const keys = new RecordKeys();
    this.tape = new JsonTape(kernel, 'record', keys);
    this.#textTape = new JsonTape(kernel, 'text', keys);
    this.#sensitiveKeys = sensitiveKeys;
    this.#redactor = sensitiveKeys === undefined ? undefined : new Redactor(sensitiveKeys);
    this.#servicePaths = servicePaths;
    this.addPaths(servicePaths);
  }

  /** Whoever wants to know where something stands says so before the first record is read. */
  addPaths(paths: Iterable<string>): void {
    for (const path of paths) this.#paths.add(path);
  }

  /** Of the record that was read last: its number, or `unkeptShape`. */
  get shape(): number {
    return this.#shape;
  }

  /** Puts the record on the tape. Returns its body, in valid UTF-8 and redacted, or why there is no record. */
  read(line: Buffer): Buffer | UnreadableReason {
    this.#found = undefined;
    const shape = this.tape.scanObject(line, scannedDepthMax);
    if (shape === undefined) return this.#readByParsing(line);
    this.#shape = shape;
    const inspection = this.#inspectionOf(shape, this.tape);
    return inspection.hasOddKeys || this.#needsRedaction(inspection) ? this.#readByParsing(line) : line;
  }

  /** Looks for the paths in the record that was read last. */
  findPaths(): FoundPaths {
    this.#found ??= this.#paths.findIn(this.tape, this.objectIn);
    return this.#found;
  }

  /** The object in a text, as Azure writes objects; undefined when there is none. */
  readonly objectIn = (text: string): JsonTape | undefined => {
    if (!startsLikeJson(text)) return undefined;
    const tape = this.#textTape;
    if (tape.scanObject(Buffer.from(text), scannedDepthMax) !== undefined && !hasOddKeys(tape)) return tape.detached();
    const object = parseJsonObject(text);
    if (object === undefined) return undefined;
    scanTidied(object, tape);
    return tape.detached();
  };

  /** What is no record, without the values of sensitive keys. */
  maskText(text: string): string {
    return this.#redactor?.maskText(text) ?? text;
  }

  #readByParsing(line: Buffer): Buffer | UnreadableReason {
    const text = line.toString();
    const record = parseRecord(text);
    if (typeof record === 'string') return record;
    this.#found = undefined;
    this.#shape = scanTidied(record, this.tape);
    const wasRedacted = this.#redactor?.redact(record, text, this.#service()) === true;
    if (!wasRedacted) return Buffer.from(text);
    this.#found = undefined;
    this.#shape = scanTidied(record, this.tape);
    return Buffer.from(JSON.stringify(record));
  }

  #service(): JsonValue | undefined {
    const { shape, tape } = this;
    const known = this.#serviceEntries.get(shape);
    if (known !== undefined) return known.entry === undefined ? undefined : tape.value(known.entry);
    const paths = this.findPaths();
    const found = this.#servicePaths.map((path) => paths.find(path)).find((service) => service !== undefined);
    if (paths.signature !== undefined) this.#serviceEntries.set(shape, { entry: found?.entry });
    return found?.tape.value(found.entry);
  }

  /** Never false for a record that the redactor would change. */
  #needsRedaction({ hasSensitiveKey, hasKeySensitiveInService, escapedTexts }: Inspection): boolean {
    if (this.#sensitiveKeys === undefined || this.#redactor === undefined) return false;
    if (hasSensitiveKey) return true;
    if (!hasKeySensitiveInService && escapedTexts.length === 0) return false;
    const service = this.#service();
    if (hasKeySensitiveInService && this.#sensitiveKeys.namesIn(service) !== undefined) return true;
    for (const entry of escapedTexts) {
      if (this.#isHarmless(entry)) continue;
      if (this.#redactor.changesText(this.tape.text(entry), scannedDepthMax, service)) return true;
    }
    return false;
  }

  /** Most texts with escapes are JSON, and one look at its keys tells that there is nothing to redact. */
  #isHarmless(entry: number): boolean {
    const tape = this.#textTape;
    const shape = tape.scanObjectInRecord(entry, scannedDepthMax);
    if (shape === undefined) return false;
    const { hasOddKeys, hasSensitiveKey, hasKeySensitiveInService, escapedTexts } = this.#inspectionOf(shape, tape);
    return !hasOddKeys && !hasSensitiveKey && !hasKeySensitiveInService && escapedTexts.length === 0;
  }

  /** @param tape that the shape was just scanned to. */
  #inspectionOf(shape: number, tape: JsonTape): Inspection {
    const known = this.#inspections.get(shape);
    if (known !== undefined) return known;
    const inspection = inspect(tape, this.#sensitiveKeys);
    this.#inspections.set(shape, inspection);
    return inspection;
  }
}

function inspect(tape: JsonTape, sensitiveKeys: SensitiveKeys | undefined): Inspection {
  const namesInAnyService = sensitiveKeys?.namesIn(undefined);
  const escapedTexts: number[] = [];
  let [hasSensitiveKey, hasKeySensitiveInService] = [false, false];
  for (let entry = 1; entry < tape.entryCount; entry++) {
    const kind = tape.kind(entry);
    if (kind === kinds.escapedText) escapedTexts.push(entry);
    const { text: key } = tape.key(entry);
    if (kind < kinds.integer) continue;
    if (sensitiveKeys?.matches(key) === true) hasSensitiveKey = true;
    if (namesInAnyService?.has(key) === true) hasKeySensitiveInService = true;
  }
  return { hasOddKeys: hasOddKeys(tape), hasSensitiveKey, hasKeySensitiveInService, escapedTexts };
}

/** Equal ones within an object, or such as are no Unicode. */
function hasOddKeys(tape: JsonTape): boolean {
  for (let object = 0; object < tape.entryCount; object++) {
    if (tape.kind(object) !== kinds.object) continue;
    const keys = new Set<string>();
    const end = tape.next(object);
    for (let entry = object + 1; entry < end; entry = tape.next(entry)) {
      const { text } = tape.key(entry);
      if (keys.has(text) || !text.isWellFormed()) return true;
      keys.add(text);
    }
  }
  return false;
}

/** The record, or why there is none. */
function parseRecord(text: string): JsonObject | UnreadableReason {
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    return error instanceof RangeError ? unreadableReasons.tooDeep : unreadableReasons.notJson;
  }
  return isJsonObject(value) ? value : unreadableReasons.notAnObject;
}

function scanTidied(object: JsonObject, tape: JsonTape): number {
  const json = JSON.stringify(tidied(object, inspectedDepthMax));
  const shape = tape.scanObject(Buffer.from(json), inspectedDepthMax + 1);
  if (shape === undefined) throw new Error('JSON.stringify wrote no JSON');
  return shape;
}

/** With keys that are Unicode, and without what is nested deeper. */
function tidied(object: JsonObject, depthLeft: number): JsonObject {
  const tidy: JsonObject = Object.create(null);
  for (const key in object) {
    const inner = object[key];
    if (inner !== undefined) tidy[tidiedKey(key, object, tidy)] = tidiedValue(inner, depthLeft);
  }
  return tidy;
}

/** With U+FFFD for lone surrogates. If that is the name of another key it becomes the empty key, which is left out. */
function tidiedKey(key: string, object: JsonObject, tidy: JsonObject): string {
  if (key.isWellFormed()) return key;
  const repaired = key.toWellFormed();
  return Object.hasOwn(object, repaired) || repaired in tidy ? '' : repaired;
}

function tidiedValue(value: JsonValue, depthLeft: number): JsonValue {
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return value;
  if (depthLeft === 0) return null;
  if (Array.isArray(value)) return value.map((inner: JsonValue) => tidiedValue(inner, depthLeft - 1));
  return tidied(value as JsonObject, depthLeft - 1);
}
