/**
 * An object of a record as a map attribute: original keys and types, within limits, and valid whatever it holds.
 */
import { Buffer } from 'node:buffer';
import { isContainer, isValue, kinds } from '../kernel/tape.ts';
import { exactNumber } from '../record/exact-json.ts';
import type { JsonTape } from '../record/json-tape.ts';
import type { RecordKey } from '../record/record-keys.ts';
import { type AttributeKey, arrayElement, attributeKey } from '../writers/attribute-key.ts';
import type { LogRecordWriter } from '../writers/log-record-writer.ts';
import { FlatNames } from './flat-names.ts';

export interface MapLimits {
  /** Values that are no map; Loki makes an entry of each, and of an array as a whole. */
  readonly leaves: number;
  /** UTF-8 of keys and texts, and eight bytes for any other value. */
  readonly bytes: number;
  /** Containers in each other, the map itself included. */
  readonly depth: number;
}

const scalarSizeBytes = 8;
/** Two bytes of the record (`1,`) count as eight at most. */
const bytesPerJsonByte = 4;

/** An object that is not longer in the record need not be measured to be within so many bytes. */
export function unmeasuredJsonBytes(bytesMax: number): number {
  return Math.floor(bytesMax / bytesPerJsonByte);
}

/** Writes maps of one attribute; holds the state of the map that is being written. */
export class BoundedMapWriter {
  readonly #limits: MapLimits;
  readonly #flatNames: FlatNames | undefined;
  #leavesLeft = 0;
  #bytesLeft = 0;
  #complete = true;
  #insideArray = false;

  /** @param distinctNames see the rule of the mapping file. */
  constructor(limits: MapLimits, distinctNames = false) {
    this.#limits = limits;
    this.#flatNames = distinctNames ? new FlatNames() : undefined;
  }

  /**
   * Writes the object without its nulls and empty texts. What exceeds a limit is left out, smaller values behind it are
   * not; a text is never cut, because a part of it could be taken for the whole.
   * @returns false when something was left out.
   */
  write(key: AttributeKey, tape: JsonTape, object: number, out: LogRecordWriter): boolean {
    const { leaves, bytes } = this.#limits;
    this.#leavesLeft = leaves;
    const jsonBytes = tape.end(object) - tape.start(object);
    this.#bytesLeft = jsonBytes <= unmeasuredJsonBytes(bytes) ? Number.POSITIVE_INFINITY : bytes;
    this.#complete = true;
    this.#flatNames?.clear();
    this.#writeMap(key, tape, object, 1, out);
    return this.#complete;
  }

  #writeMap(key: AttributeKey, tape: JsonTape, object: number, depth: number, out: LogRecordWriter): void {
    out.beginMap(key, tape.end(object) - tape.start(object));
    const end = tape.next(object);
    for (let entry = object + 1; entry < end; entry = tape.next(entry)) {
      if (!isValue(tape.kind(entry))) continue;
      const name = tape.key(entry);
      if (name.text === '' || !this.#fits(name, tape, entry, depth)) this.#complete = false;
      else if (this.#flatNames === undefined || this.#insideArray)
        this.#writeValue(name.attribute, tape, entry, depth, out);
      else this.#writeDistinct(this.#flatNames, name, tape, entry, depth, out);
    }
    out.endContainer();
  }

  #writeDistinct(
    flatNames: FlatNames,
    { text, attribute }: RecordKey,
    tape: JsonTape,
    entry: number,
    depth: number,
    out: LogRecordWriter,
  ): void {
    const distinctName = flatNames.distinct(text);
    flatNames.enter(distinctName);
    this.#writeValue(distinctName === text ? attribute : attributeKey(distinctName), tape, entry, depth, out);
    flatNames.leave();
  }

  #writeValue(key: AttributeKey, tape: JsonTape, entry: number, depth: number, out: LogRecordWriter): void {
    const kind = tape.kind(entry);
    if (kind === kinds.text || kind === kinds.escapedText) out.string(key, tape.text(entry));
    else if (kind === kinds.integer) out.integer(key, tape.integer(entry));
    else if (kind === kinds.number) writeNumber(key, tape, entry, out);
    else if (kind === kinds.object) this.#writeMap(key, tape, entry, depth + 1, out);
    else if (kind === kinds.array) this.#writeArray(key, tape, entry, depth + 1, out);
    else out.boolean(key, kind === kinds.true);
  }

  #writeArray(key: AttributeKey, tape: JsonTape, array: number, depth: number, out: LogRecordWriter): void {
    const wasInsideArray = this.#insideArray;
    this.#insideArray = true;
    out.beginArray(key, tape.end(array) - tape.start(array));
    const end = tape.next(array);
    for (let entry = array + 1; entry < end; entry = tape.next(entry)) {
      if (!isValue(tape.kind(entry))) continue;
      if (isContainer(tape.kind(entry)) && depth >= this.#limits.depth) this.#complete = false;
      else this.#writeValue(arrayElement, tape, entry, depth, out);
    }
    out.endContainer();
    this.#insideArray = wasInsideArray;
  }

  /** Takes the value from what is left of the limits: maps entry by entry, arrays as a whole. */
  #fits(key: RecordKey, tape: JsonTape, entry: number, depth: number): boolean {
    if (isContainer(tape.kind(entry)) && depth >= this.#limits.depth) return false;
    if (this.#insideArray) return true;
    const isMap = tape.kind(entry) === kinds.object;
    if (!isMap && this.#leavesLeft === 0) return false;
    if (this.#bytesLeft !== Number.POSITIVE_INFINITY) {
      const sizeBytes = Buffer.byteLength(key.text) + (isMap ? 0 : sizeOf(tape, entry, this.#limits.depth));
      if (sizeBytes > this.#bytesLeft) return false;
      this.#bytesLeft -= sizeBytes;
    }
    if (!isMap) this.#leavesLeft--;
    return true;
  }
}

/** Of what is written at most: nothing deeper than the limit is. */
function sizeOf(tape: JsonTape, entry: number, depthLeft: number): number {
  const kind = tape.kind(entry);
  if (kind === kinds.text || kind === kinds.emptyText) return tape.end(entry) - tape.start(entry);
  if (kind === kinds.escapedText) return Buffer.byteLength(tape.text(entry));
  if (!isContainer(tape.kind(entry)) || depthLeft === 0) return scalarSizeBytes;
  let sizeBytes = 0;
  const end = tape.next(entry);
  for (let inner = entry + 1; inner < end; inner = tape.next(inner)) {
    const keySizeBytes = kind === kinds.object ? Buffer.byteLength(tape.key(inner).text) : 0;
    sizeBytes += keySizeBytes + sizeOf(tape, inner, depthLeft - 1);
  }
  return sizeBytes;
}

function writeNumber(key: AttributeKey, tape: JsonTape, entry: number, out: LogRecordWriter): void {
  const value = tape.value(entry);
  const exact = typeof value === 'number' ? value : exactNumber(value);
  if (typeof exact === 'string') out.string(key, exact);
  else if (typeof exact === 'bigint' || Number.isSafeInteger(exact)) out.integer(key, exact as number | bigint);
  else out.double(key, exact as number);
}
