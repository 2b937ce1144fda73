// Writes an object as a map attribute, with its original keys and types, within limits.

import { distinctName, enterName, leaveName, nameEnd, nameStart, startNames } from './distinct-names';
import { toDouble } from './host';
import { copy, entrySize, isEqual } from './layout';
import * as protobuf from './protobuf';
import {
  contentEndOf,
  endOf,
  Kind,
  keyOf,
  keySizeOf,
  kindOf,
  nextSibling,
  plainEnd,
  plainStart,
  startOf,
} from './tape';
import { end, findInteger, findString, integer, isAllDigits, start } from './values';

/** Everything before the content of a container except its key. */
const headerMax: usize = 32;
/** The size of any value that is not a string, for the limit. */
const scalarSize: usize = 8;

const distinctNames: u32 = 0x8000_0000;

let leavesLeft: u32 = 0;
let bytesLeft: usize = 0;
let isMeasured: bool = false;
let depthMax: u32 = 0;
let areNamesDistinct: bool = false;
let isComplete: bool = true;
/** The keys that are kept: rows of address and size up to one with the address 0. */
let keptKeys: usize = 0;
let keptLeavesLeft: u32 = 0;
let keptBytesLeft: usize = 0;
let neededLeaves: u32 = 0;
let neededBytes: usize = 0;
/** Inside a kept value, which has been accounted for as a whole. */
let isInKept: bool = false;

/**
 * Writes the object without nulls and empty strings. Omits what exceeds a limit, but not smaller values after it. Never truncates a string,
 * whose prefix could be mistaken for the whole.
 * @param leaves the limit of values that are not maps; an array counts as one.
 * @param bytes the limit of keys and strings, and eight for any other value.
 * @param depth the limit of nested containers, including the map itself. Its highest bit keeps names distinct that flattening would make equal.
 * @param kept keys of the outermost object whose values come first within the limits, wherever they are; 0 for none.
 * @returns false if something was omitted.
 */
export function writeMap(
  key: usize,
  keySize: usize,
  object: usize,
  leaves: u32,
  bytes: usize,
  depth: u32,
  kept: usize,
): bool {
  leavesLeft = leaves;
  bytesLeft = bytes;
  depthMax = depth & ~distinctNames;
  areNamesDistinct = (depth & distinctNames) !== 0;
  isComplete = true;
  // Two bytes of JSON (`1,`) count as at most eight.
  isMeasured = <usize>(endOf(object) - startOf(object)) > bytes >> 2;
  keptKeys = isMeasured || contentEndOf(object) - object > (<usize>leaves + 1) * entrySize ? kept : 0;
  if (keptKeys !== 0) reserveKept(object, leaves, bytes);
  if (areNamesDistinct) startNames();
  writeContainer(protobuf.attributeTag, key, keySize, object, 1, false);
  return isComplete;
}

/**
 * Writes the array without nulls and empty strings, with the same limits of bytes and depth as a map.
 * @returns false if something was omitted: all of it, if it exceeds the limit of bytes.
 */
export function writeList(key: usize, keySize: usize, array: usize, bytes: usize, depth: u32): bool {
  depthMax = depth;
  areNamesDistinct = false;
  keptKeys = 0;
  isComplete = true;
  if (sizeOf(array, depth) > bytes) return false;
  writeContainer(protobuf.attributeTag, key, keySize, array, 1, true);
  return isComplete;
}

/** Leaves to the other keys what the kept ones do not need. */
function reserveKept(object: usize, leaves: u32, bytes: usize): void {
  keptLeavesLeft = leaves;
  keptBytesLeft = bytes;
  const last = contentEndOf(object);
  for (let inner = object + entrySize; inner < last; inner = nextSibling(inner)) {
    takeKept(inner);
  }
  leavesLeft = keptLeavesLeft;
  bytesLeft = keptBytesLeft;
  keptLeavesLeft = leaves;
  keptBytesLeft = bytes;
}

/** Whether the member of the outermost object is kept and fits as a whole. Both passes ask it once for each, so that they agree. */
function takeKept(entry: usize): bool {
  if (!isKept(keyOf(entry), keySizeOf(entry))) return false;
  neededLeaves = 0;
  neededBytes = 0;
  measure(entry, 1);
  if (neededLeaves > keptLeavesLeft || neededBytes > keptBytesLeft) return false;
  keptLeavesLeft -= neededLeaves;
  keptBytesLeft -= neededBytes;
  return true;
}

function isKept(key: usize, keySize: usize): bool {
  for (let row = keptKeys; load<u32>(row) !== 0; row += 8) {
    if (load<u32>(row, 4) === <u32>keySize && isEqual(load<u32>(row), key, keySize)) return true;
  }
  return false;
}

/** Adds what `fits` takes for the member and everything below it. */
function measure(entry: usize, depth: u32): void {
  const kind = kindOf(entry);
  if (!isValue(entry) || keySizeOf(entry) === 0 || (kind >= Kind.Object && depth >= depthMax)) return;
  neededBytes += keySizeOf(entry);
  if (kind !== Kind.Object) {
    neededLeaves++;
    neededBytes += sizeOf(entry, depthMax);
    return;
  }
  const last = contentEndOf(entry);
  for (let inner = entry + entrySize; inner < last; inner = nextSibling(inner)) measure(inner, depth + 1);
}

function isValue(entry: usize): bool {
  const kind = kindOf(entry);
  return kind !== Kind.Null && kind !== Kind.EmptyString;
}

function writeContainer(tag: u8, key: usize, keySize: usize, entry: usize, depth: u32, isInArray: bool): void {
  const begin = protobuf.out;
  const content = begin + headerMax + keySize;
  protobuf.setOut(content);
  const isArray = kindOf(entry) === Kind.Array;
  const last = contentEndOf(entry);
  for (let inner = entry + entrySize; inner < last; inner = nextSibling(inner)) {
    if (isArray) writeElement(inner, depth);
    else writeMember(inner, depth, isInArray);
  }
  const size = protobuf.out - content;
  protobuf.setOut(begin);
  // An empty container is omitted with its key.
  if (size === 0) return;
  protobuf.writeHeader(tag, key, keySize, 1 + protobuf.varintSize(size) + size);
  protobuf.writeByte(isArray ? protobuf.arrayTag : protobuf.mapTag);
  protobuf.writeVarint(size);
  copy(protobuf.out, content, size);
  protobuf.setOut(protobuf.out + size);
}

function writeElement(entry: usize, depth: u32): void {
  if (!isValue(entry)) return;
  const kind = kindOf(entry);
  if (kind >= Kind.Object && depth >= depthMax) isComplete = false;
  else writeValue(entry, kind, 0, 0, depth, true);
}

function writeMember(entry: usize, depth: u32, isInArray: bool): void {
  if (!isValue(entry)) return;
  if (depth !== 1 || keptKeys === 0 || !takeKept(entry)) {
    writeFitting(entry, depth, isInArray);
    return;
  }
  isInKept = true;
  writeFitting(entry, depth, isInArray);
  isInKept = false;
}

function writeFitting(entry: usize, depth: u32, isInArray: bool): void {
  const kind = kindOf(entry);
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
  if (kind === Kind.String) {
    const from = startOf(entry);
    const to = endOf(entry);
    protobuf.writeString(protobuf.entryTag, key, keySize, from, to - from);
  } else if (kind === Kind.EscapedString) {
    if (findString(entry)) protobuf.writeString(protobuf.entryTag, key, keySize, start, end - start);
  } else if (kind >= Kind.Object) {
    writeContainer(protobuf.entryTag, key, keySize, entry, depth + 1, isInArray || kind === Kind.Array);
  } else if (kind === Kind.Integer || kind === Kind.Number) {
    writeNumber(entry, key, keySize);
  } else {
    protobuf.writeBoolean(protobuf.entryTag, key, keySize, kind === Kind.True);
  }
}

/** Deducts the value from the limits: maps entry by entry, arrays as a whole. */
function fits(entry: usize, kind: Kind, keySize: usize): bool {
  if (isInKept) return true;
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

/** An upper bound; nothing below the depth limit is written. */
function sizeOf(entry: usize, depthLeft: u32): usize {
  const kind = kindOf(entry);
  if (kind === Kind.String || kind === Kind.EmptyString) return endOf(entry) - startOf(entry);
  if (kind === Kind.EscapedString) {
    const plain = plainStart(entry);
    return plainEnd(entry) - plain;
  }
  if (kind < Kind.Object || depthLeft === 0) return scalarSize;
  let size: usize = 0;
  const last = contentEndOf(entry);
  for (let inner = entry + entrySize; inner < last; inner = nextSibling(inner))
    size += keySizeOf(inner) + sizeOf(inner, depthLeft - 1);
  return size;
}

/** A 64-bit integer, else a double, else the number as a string. */
function writeNumber(entry: usize, key: usize, keySize: usize): void {
  if (findInteger(entry)) {
    protobuf.writeInteger(protobuf.entryTag, key, keySize, integer);
    return;
  }
  const value = toDouble(start, end - start);
  const isInfinite = value - value !== 0;
  if (isInfinite || isAllDigits()) protobuf.writeString(protobuf.entryTag, key, keySize, start, end - start);
  else protobuf.writeDouble(protobuf.entryTag, key, keySize, value);
}
