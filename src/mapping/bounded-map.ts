/**
 * An object of a record as a map attribute: original keys and types, within limits, and valid whatever it holds.
 */
import { Buffer } from 'node:buffer';
import { type AttributeKey, type AttributeKeyCache, arrayElement } from './attribute-key.ts';
import { exactNumber, isJsonObject, type JsonObject, type JsonValue } from './exact-json.ts';
import { FlatNames } from './flat-names.ts';
import type { LogRecordWriter } from './log-record-writer.ts';

export interface MapLimits {
  /** Values that are no map; Loki makes an entry of each, and of an array as a whole. */
  readonly leaves: number;
  /** UTF-8 of keys and texts, and eight bytes for any other value. */
  readonly bytes: number;
  /** Containers in each other, the map itself included. */
  readonly depth: number;
}

const scalarSizeBytes = 8;

/** Writes maps of one attribute; holds the state of the map that is being written. */
export class BoundedMapWriter {
  readonly #limits: MapLimits;
  readonly #keys: AttributeKeyCache;
  readonly #flatNames: FlatNames | undefined;
  #leavesLeft = 0;
  #bytesLeft = 0;
  #complete = true;
  #insideArray = false;

  /** @param distinctNames see the rule of the mapping file. */
  constructor(limits: MapLimits, keys: AttributeKeyCache, distinctNames = false) {
    this.#limits = limits;
    this.#keys = keys;
    this.#flatNames = distinctNames ? new FlatNames() : undefined;
  }

  /**
   * Writes the object without its nulls and empty texts. What exceeds a limit is left out, smaller values behind it are
   * not; a text is never cut, because a part of it could be taken for the whole.
   * @param sizeBytesMax a bound of the object's UTF-8: when it is within the limit, nothing needs to be measured.
   * @returns false when something was left out.
   */
  write(key: AttributeKey, object: JsonObject, sizeBytesMax: number, out: LogRecordWriter): boolean {
    this.#leavesLeft = this.#limits.leaves;
    this.#bytesLeft = sizeBytesMax <= this.#limits.bytes ? Number.POSITIVE_INFINITY : this.#limits.bytes;
    this.#complete = true;
    this.#flatNames?.clear();
    this.#writeMap(key, object, 1, out);
    return this.#complete;
  }

  #writeMap(key: AttributeKey, object: JsonObject, depth: number, out: LogRecordWriter): void {
    out.beginMap(key);
    let repairedKeys: Set<string> | undefined;
    for (const name in object) {
      const value = object[name];
      if (value === null || value === undefined || value === '') continue;
      let usedName = name;
      if (!name.isWellFormed()) {
        // Two keys may become the same when their lone surrogates are replaced.
        usedName = name.toWellFormed();
        repairedKeys ??= new Set();
        if (Object.hasOwn(object, usedName) || repairedKeys.has(usedName)) usedName = '';
        repairedKeys.add(usedName);
      }
      if (usedName === '' || !this.#fits(usedName, value, depth)) this.#complete = false;
      else if (this.#flatNames === undefined || this.#insideArray)
        this.#writeValue(this.#keys.get(usedName), value, depth, out);
      else this.#writeDistinct(this.#flatNames, usedName, value, depth, out);
    }
    out.endContainer();
  }

  #writeDistinct(flatNames: FlatNames, name: string, value: JsonValue, depth: number, out: LogRecordWriter): void {
    const distinctName = flatNames.distinct(name);
    flatNames.enter(distinctName);
    this.#writeValue(this.#keys.get(distinctName), value, depth, out);
    flatNames.leave();
  }

  #writeValue(key: AttributeKey, value: JsonValue, depth: number, out: LogRecordWriter): void {
    if (typeof value === 'string') out.string(key, value);
    else if (typeof value === 'boolean') out.boolean(key, value);
    else if (typeof value === 'number') writeNumber(key, value, out);
    else if (Array.isArray(value)) this.#writeArray(key, value, depth + 1, out);
    else if (isJsonObject(value)) this.#writeMap(key, value, depth + 1, out);
    else writeExactNumber(key, value, out);
  }

  #writeArray(key: AttributeKey, values: readonly JsonValue[], depth: number, out: LogRecordWriter): void {
    const wasInsideArray = this.#insideArray;
    this.#insideArray = true;
    out.beginArray(key);
    for (const value of values) {
      if (value === null || value === '') continue;
      if (isContainer(value) && depth >= this.#limits.depth) this.#complete = false;
      else this.#writeValue(arrayElement, value, depth, out);
    }
    out.endContainer();
    this.#insideArray = wasInsideArray;
  }

  /** Takes the value from what is left of the limits: maps entry by entry, arrays as a whole. */
  #fits(name: string, value: JsonValue, depth: number): boolean {
    const isMap = isJsonObject(value);
    if (isContainer(value) && depth >= this.#limits.depth) return false;
    if (this.#insideArray) return true;
    if (!isMap && this.#leavesLeft === 0) return false;
    if (this.#bytesLeft !== Number.POSITIVE_INFINITY) {
      const sizeBytes = Buffer.byteLength(name) + (isMap ? 0 : sizeOf(value, this.#limits.depth));
      if (sizeBytes > this.#bytesLeft) return false;
      this.#bytesLeft -= sizeBytes;
    }
    if (!isMap) this.#leavesLeft--;
    return true;
  }
}

function isContainer(value: JsonValue): boolean {
  return Array.isArray(value) || isJsonObject(value);
}

/** Of what is written at most: nothing deeper than the limit is. */
function sizeOf(value: JsonValue, depthLeft: number): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (!isContainer(value) || depthLeft === 0) return scalarSizeBytes;
  let sizeBytes = 0;
  const isMap = isJsonObject(value);
  const entries = value as JsonObject;
  for (const name in entries) {
    sizeBytes += (isMap ? Buffer.byteLength(name) : 0) + sizeOf(entries[name] ?? null, depthLeft - 1);
  }
  return sizeBytes;
}

function writeNumber(key: AttributeKey, value: number, out: LogRecordWriter): void {
  if (Number.isSafeInteger(value)) out.integer(key, value);
  else out.double(key, value);
}

function writeExactNumber(key: AttributeKey, value: JsonValue, out: LogRecordWriter): void {
  const number = exactNumber(value);
  if (typeof number === 'bigint') out.integer(key, number);
  else if (number !== undefined) out.string(key, number);
}
