/**
 * The slow way of a line: what the kernel refuses (equal keys, bytes that are no UTF-8, something to redact, no JSON at all) is parsed,
 * redacted, made tidy and written as JSON again, which the kernel then maps like any line.
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
  toObject,
} from './exact-json.ts';
import type { Redactor } from './redaction.ts';

export interface TidiedLine {
  /** What to map. */
  readonly json: Buffer;
  /** What to send: valid UTF-8, and redacted. */
  readonly body: Buffer;
}

export class LineParser {
  readonly #redactor: Redactor | undefined;
  readonly #servicePaths: readonly string[];

  /** @param servicePaths of the service that a record is about. */
  constructor(redactor: Redactor | undefined, servicePaths: readonly string[]) {
    this.#redactor = redactor;
    this.#servicePaths = servicePaths;
  }

  /** The line, or why it is no record. */
  parse(line: Buffer): TidiedLine | 'notJson' | 'notAnObject' | 'tooDeep' {
    const text = line.toString();
    let record: JsonValue;
    try {
      record = parseJson(text);
    } catch (error) {
      return error instanceof RangeError ? 'tooDeep' : 'notJson';
    }
    if (!isJsonObject(record)) return 'notAnObject';
    const wasRedacted = this.#redactor?.redact(record, text, this.#serviceOf(record)) === true;
    return { json: tidyJson(record), body: Buffer.from(wasRedacted ? JSON.stringify(record) : text) };
  }

  #serviceOf(record: JsonObject): JsonValue | undefined {
    for (const path of this.#servicePaths) {
      const value = valueAt(record, path);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** The object in a text as tidy JSON; undefined without one. */
export function tidyJsonOfText(text: string): Buffer | undefined {
  const object = parseJsonObject(text);
  return object === undefined ? undefined : tidyJson(object);
}

function tidyJson(object: JsonObject): Buffer {
  return Buffer.from(JSON.stringify(tidied(object, inspectedDepthMax)));
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

/** With U+FFFD for half surrogate pairs. If that is the name of another key it becomes the empty key, which is left out. */
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

/** As the kernel finds it: of the spellings of a segment, the first with a value counts. */
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
