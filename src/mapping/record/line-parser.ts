/**
 * The slow path for lines that the kernel rejects: duplicate keys, invalid UTF-8, something to redact, or no JSON at all. The line is parsed,
 * redacted and serialised in normalised form, which the kernel then maps like any line.
 */
import { Buffer } from 'node:buffer';
import {
  inspectedDepthMax,
  isExactNumber,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  parseJsonObject,
  parseOrNothing,
  toObject,
} from '../../runtime/exact-json.ts';
import type { Redactor } from './redaction.ts';

export interface NormalisedLine {
  /** The record to map. */
  readonly json: Buffer;
  /** The body to send: valid UTF-8, and redacted. */
  readonly body: Buffer;
}

export class LineParser {
  readonly #redactor: Redactor | undefined;
  readonly #servicePaths: readonly string[];

  /** @param servicePaths paths of the service that a record belongs to. */
  constructor(redactor: Redactor | undefined, servicePaths: readonly string[]) {
    this.#redactor = redactor;
    this.#servicePaths = servicePaths;
  }

  /** The line, or the reason why it is not a record. */
  parse(line: Buffer): NormalisedLine | 'notJson' | 'notAnObject' {
    const text = line.toString();
    const record = parseOrNothing(text);
    if (record === undefined) return 'notJson';
    if (!isJsonObject(record)) return 'notAnObject';
    const wasRedacted = this.#redactor?.redact(record, text, this.#serviceOf(record)) === true;
    return { json: normalisedJson(record), body: Buffer.from(wasRedacted ? JSON.stringify(record) : text) };
  }

  #serviceOf(record: JsonObject): JsonValue | undefined {
    for (const path of this.#servicePaths) {
      const value = valueAt(record, path);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** The object embedded in a string, in normalised form; undefined without one. */
export function normalisedJsonIn(text: string): Buffer | undefined {
  const object = parseJsonObject(text);
  return object === undefined ? undefined : normalisedJson(object);
}

function normalisedJson(object: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(normalised(object, inspectedDepthMax)));
}

/** A copy with well-formed keys and without what is nested too deeply. */
function normalised(object: JsonObject, depthLeft: number): JsonObject {
  const copy: JsonObject = Object.create(null);
  for (const key in object) {
    const inner = object[key];
    if (inner !== undefined) copy[normalisedKey(key, object, copy)] = normalisedValue(inner, depthLeft);
  }
  return copy;
}

/** Replaces lone surrogates with U+FFFD. If that collides with another key, the key becomes empty, which the mapping omits. */
function normalisedKey(key: string, object: JsonObject, copy: JsonObject): string {
  if (key.isWellFormed()) return key;
  const repaired = key.toWellFormed();
  return Object.hasOwn(object, repaired) || repaired in copy ? '' : repaired;
}

function normalisedValue(value: JsonValue, depthLeft: number): JsonValue {
  if (typeof value !== 'object' || value === null || isExactNumber(value)) return value;
  if (depthLeft === 0) return null;
  if (Array.isArray(value)) return value.map((inner: JsonValue) => normalisedValue(inner, depthLeft - 1));
  return normalised(value as JsonObject, depthLeft - 1);
}

/** The value that the kernel would find: of the spellings of a segment, the first with a value counts. */
function valueAt(record: JsonObject, path: string): JsonValue | undefined {
  let value: JsonValue | undefined = record;
  for (const segment of path.split('.')) {
    const object: JsonObject | undefined = toObject(value);
    value = segment
      .split('|')
      .map((key) => (object !== undefined && Object.hasOwn(object, key) ? object[key] : undefined))
      .find((inner) => inner !== undefined && inner !== null && inner !== '');
  }
  return value;
}
