/**
 * From the bytes of a line to its record on a tape, redacted. A usual line is scanned and nothing else. What is odd about a
 * line (keys that come twice, bytes that are no UTF-8, something to redact) is put right by way of JSON.parse and written as
 * JSON again, and then that is scanned: so there is one way on from here.
 */
import { Buffer } from 'node:buffer';
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
import { KeyTable } from './key-table.ts';
import { RecordPaths } from './record-paths.ts';
import { Redactor } from './redaction.ts';
import type { SensitiveKeys } from './sensitive-keys.ts';

/** Constant texts: what could not be parsed is in the body, and only there, where redaction has been over it. */
export const unreadableReasons = {
  notJson: 'not JSON',
  notAnObject: 'not a JSON object',
  tooDeep: 'nested too deeply',
} as const;

export type UnreadableReason = (typeof unreadableReasons)[keyof typeof unreadableReasons];

/** Of containers in each other. No real record comes near; what is deeper is looked at by JSON.parse first. */
const scannedDepthMax = 32;

export class RecordReader {
  /** Of the records; whoever wants to know one adds it before the first record is read. */
  readonly paths: RecordPaths;
  readonly #servicePaths: readonly number[];
  readonly #sensitiveKeys: SensitiveKeys | undefined;
  readonly #redactor: Redactor | undefined;
  readonly #keyTable: KeyTable;
  readonly #tape: JsonTape;

  /** @param servicePaths of the service that a record is about, for rules of redaction. */
  constructor(servicePaths: readonly string[], sensitiveKeys: SensitiveKeys | undefined) {
    this.#sensitiveKeys = sensitiveKeys;
    this.#redactor = sensitiveKeys === undefined ? undefined : new Redactor(sensitiveKeys);
    this.#keyTable = new KeyTable((key) => ({
      isSensitive: sensitiveKeys?.matches(key) === true,
      isSensitiveInService: sensitiveKeys?.namesIn(undefined)?.has(key) === true,
    }));
    this.paths = new RecordPaths(this.#keyTable);
    this.#servicePaths = servicePaths.map((path) => this.paths.indexOf(path));
    this.#tape = new JsonTape(this.#keyTable);
  }

  /** Reads the paths of the record. Returns its body, in valid UTF-8 and redacted, or why there is no record. */
  read(line: Buffer): Buffer | UnreadableReason {
    if (this.#tape.scanObject(line, scannedDepthMax, false)) {
      this.#readPaths();
      if (!this.#needsRedaction()) return line;
    }
    return this.#readByParsing(line);
  }

  /** The object in a text, as Azure writes objects; undefined when there is none. */
  readonly objectIn = (text: string): JsonTape | undefined => {
    if (!startsLikeJson(text)) return undefined;
    const tape = new JsonTape(this.#keyTable);
    if (tape.scanObject(Buffer.from(text), scannedDepthMax, false)) return tape;
    const object = parseJsonObject(text);
    return object === undefined ? undefined : scanTidied(object, tape);
  };

  /** What is no record, without the values of sensitive keys. */
  maskText(text: string): string {
    return this.#redactor?.maskText(text) ?? text;
  }

  #readByParsing(line: Buffer): Buffer | UnreadableReason {
    const text = line.toString();
    const record = parseRecord(text);
    if (typeof record === 'string') return record;
    scanTidied(record, this.#tape);
    this.#readPaths();
    const wasRedacted = this.#redactor?.redact(record, text, this.#service()) === true;
    if (!wasRedacted) return Buffer.from(text);
    scanTidied(record, this.#tape);
    this.#readPaths();
    return Buffer.from(JSON.stringify(record));
  }

  #readPaths(): void {
    this.paths.read(this.#tape, this.objectIn);
  }

  #service(): JsonValue | undefined {
    return this.paths.values.firstValue(this.#servicePaths);
  }

  /** Never false for a record that the redactor would change. */
  #needsRedaction(): boolean {
    const tape = this.#tape;
    if (this.#sensitiveKeys === undefined || this.#redactor === undefined) return false;
    if (tape.hasSensitiveKey) return true;
    if (!tape.hasKeySensitiveInService && tape.escapedTexts.length === 0) return false;
    const service = this.#service();
    if (tape.hasKeySensitiveInService && this.#sensitiveKeys.namesIn(service) !== undefined) return true;
    for (const entry of tape.escapedTexts) {
      if (this.#redactor.changesText(tape.text(entry), scannedDepthMax, service)) return true;
    }
    return false;
  }
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

function scanTidied(object: JsonObject, tape: JsonTape): JsonTape {
  const json = JSON.stringify(tidied(object, inspectedDepthMax));
  if (!tape.scanObject(Buffer.from(json), inspectedDepthMax + 1, true)) throw new Error('JSON.stringify wrote no JSON');
  return tape;
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
