// An object of a record as a map attribute: original keys and types, within limits, and valid whatever it contains.

import { distinctName, enterName, leaveName, nameEnd, nameStart, startNames } from './distinct-names';
import { toDouble } from './host';
import { copy, entrySize } from './memory';
import * as protobuf from './protobuf';
import { behind, endOf, Kind, keyOf, keySizeOf, kindOf, nextOf, plainEnd, plainStart, startOf } from './tape';
import { end, findInteger, findText, integer, isAllDigits, start } from './values';

/** What precedes the content of a container, without its key. */
const headerMax: usize = 32;
/** How much any value counts that is no text. */
const scalarSize: usize = 8;

let leavesLeft: u32 = 0;
let bytesLeft: usize = 0;
let isMeasured: bool = false;
let depthMax: u32 = 0;
let areNamesDistinct: bool = false;
let isComplete: bool = true;

/**
 * Writes the object without its nulls and empty texts. What exceeds a limit is left protobuf.out, smaller values behind it are not. A text is never
 * cut: its beginning could be taken for the whole.
 * @param leaves values that are no map. An array is one.
 * @param bytes of keys and texts, and eight for any other value.
 * @param depth of containers in each other, with the map itself.
 * @param distinct keeps names apart that Loki's flattening would make equal.
 * @returns false when something was left protobuf.out.
 */
export function writeMap(
  tag: u8,
  key: usize,
  keySize: usize,
  object: usize,
  leaves: u32,
  bytes: usize,
  depth: u32,
  distinct: bool,
): bool {
  leavesLeft = leaves;
  bytesLeft = bytes;
  depthMax = depth;
  areNamesDistinct = distinct;
  isComplete = true;
  // Two bytes of JSON (`1,`) count as eight at most.
  isMeasured = <usize>(endOf(object) - startOf(object)) > bytes >> 2;
  if (distinct) startNames();
  writeContainer(tag, key, keySize, object, 1, false);
  return isComplete;
}

function writeContainer(tag: u8, key: usize, keySize: usize, entry: usize, depth: u32, isInArray: bool): void {
  const begin = protobuf.out;
  const content = begin + headerMax + keySize;
  protobuf.setOut(content);
  const isArray = kindOf(entry) === Kind.Array;
  const last = nextOf(entry);
  for (let inner = entry + entrySize; inner < last; inner = behind(inner)) {
    if (isArray) writeElement(inner, depth);
    else writeMember(inner, depth, isInArray);
  }
  const size = protobuf.out - content;
  protobuf.setOut(begin);
  // A container in which nothing was written leaves no trace, its key included.
  if (size === 0) return;
  protobuf.writeHeader(tag, key, keySize, 1 + protobuf.varintSize(size) + size);
  protobuf.writeByte(isArray ? protobuf.arrayTag : protobuf.mapTag);
  protobuf.writeVarint(size);
  copy(protobuf.out, content, size);
  protobuf.setOut(protobuf.out + size);
}

function writeElement(entry: usize, depth: u32): void {
  const kind = kindOf(entry);
  if (kind === Kind.Null || kind === Kind.EmptyText) return;
  if (kind >= Kind.Object && depth >= depthMax) isComplete = false;
  else writeValue(entry, kind, 0, 0, depth, true);
}

function writeMember(entry: usize, depth: u32, isInArray: bool): void {
  const kind = kindOf(entry);
  if (kind === Kind.Null || kind === Kind.EmptyText) return;
  const key = keyOf(entry);
  const keySize = keySizeOf(entry);
  if (keySize === 0 || (kind >= Kind.Object && depth >= depthMax) || (!isInArray && !fits(entry, kind, keySize))) {
    isComplete = false;
  } else if (!areNamesDistinct || isInArray) {
    writeValue(entry, kind, key, keySize, depth, isInArray);
  } else if (distinctName(key, keySize)) {
    const name = nameStart;
    const nameSize = nameEnd - name;
    const outer = enterName();
    writeValue(entry, kind, name, nameSize, depth, isInArray);
    leaveName(outer);
  }
}

function writeValue(entry: usize, kind: Kind, key: usize, keySize: usize, depth: u32, isInArray: bool): void {
  if (kind === Kind.Text) {
    const from = startOf(entry);
    const to = endOf(entry);
    protobuf.writeText(protobuf.entryTag, key, keySize, from, to - from);
  } else if (kind === Kind.EscapedText) {
    if (findText(entry)) protobuf.writeText(protobuf.entryTag, key, keySize, start, end - start);
  } else if (kind >= Kind.Object) {
    writeContainer(protobuf.entryTag, key, keySize, entry, depth + 1, isInArray || kind === Kind.Array);
  } else if (kind === Kind.Integer || kind === Kind.Number) {
    writeNumber(entry, key, keySize);
  } else {
    protobuf.writeBoolean(protobuf.entryTag, key, keySize, kind === Kind.True);
  }
}

/** Takes the value from what is left of the limits: maps entry by entry, arrays as a whole. */
function fits(entry: usize, kind: Kind, keySize: usize): bool {
  const isMap = kind === Kind.Object;
  if (!isMap && leavesLeft === 0) return false;
  if (isMeasured) {
    const size = keySize + (isMap ? 0 : sizeOf(entry, depthMax));
    if (size > bytesLeft) return false;
    bytesLeft -= size;
  }
  if (!isMap) leavesLeft--;
  return true;
}

/** Of what is written at most: nothing deeper than the limit is. */
function sizeOf(entry: usize, depthLeft: u32): usize {
  const kind = kindOf(entry);
  if (kind === Kind.Text || kind === Kind.EmptyText) return endOf(entry) - startOf(entry);
  if (kind === Kind.EscapedText) {
    const plain = plainStart(entry);
    return plainEnd(entry) - plain;
  }
  if (kind < Kind.Object || depthLeft === 0) return scalarSize;
  let size: usize = 0;
  const last = nextOf(entry);
  for (let inner = entry + entrySize; inner < last; inner = behind(inner))
    size += keySizeOf(inner) + sizeOf(inner, depthLeft - 1);
  return size;
}

/** An integer of 64 bits, else a double, else the number as it is written. */
function writeNumber(entry: usize, key: usize, keySize: usize): void {
  if (findInteger(entry)) {
    protobuf.writeInteger(protobuf.entryTag, key, keySize, integer);
    return;
  }
  const value = toDouble(start, end - start);
  const isInfinite = value - value !== 0;
  if (isInfinite || isAllDigits()) protobuf.writeText(protobuf.entryTag, key, keySize, start, end - start);
  else protobuf.writeDouble(protobuf.entryTag, key, keySize, value);
}
