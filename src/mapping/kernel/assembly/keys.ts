// A hash table of keys by their bytes: whether a key is sensitive, and which paths of the mapping use it. It is the only state that outlives a
// record. The variety of keys is unbounded, so once the table is nearly full, all keys but the mapping's are dropped.
import { flagsOfKey } from './host';
import * as layout from './layout';
import { Header, header, isEqual, overflow } from './layout';

// A row: the first 16 bytes, the size, flags, the steps of paths that use the key (0 if none do), the serial of the object it was last seen
// in, and the address of the whole key if it has 16 bytes or more.
const rowSize: usize = 16;
const rowFlags: usize = 20;
const rowSteps: usize = 24;
const rowSeenIn: usize = 28;
const rowBytes: usize = 32;

export const sensitive: u32 = 1;
export const sensitiveInService: u32 = 2;

// Multipliers of SplitMix64 and xxHash.
const mixOne: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;
const mixTwo: u64 = ((<u64>0xc2b2ae3d) << 32) | 0x27d4eb4f;

/** Random per process, so that no sender can choose keys that collide. */
let hashSeed: u64 = 0;
let rowCount: u32 = 0;
let longKeysEnd: usize = 0;

export function flagsOf(row: usize): u32 {
  return load<u32>(row, rowFlags);
}

export function stepsOf(row: usize): usize {
  return load<u32>(row, rowSteps);
}

export function seenIn(row: usize): u32 {
  return load<u32>(row, rowSeenIn);
}

export function setSeenIn(row: usize, object: u32): void {
  store<u32>(row, object, rowSeenIn);
}

/** Asked between records: rows stay in place within one. */
export function isNearlyFull(): bool {
  return (
    rowCount + (rowCount >> 2) > layout.keyRowsMax ||
    longKeysEnd - layout.longKeysAt > (layout.longKeysLimit - layout.longKeysAt) >> 1
  );
}

/** Drops all keys but those of the mapping, which are rows of address, size and steps up to one with the address 0. */
export function resetKeys(): void {
  memory.fill(layout.keySlotsAt, 0, (<usize>layout.keySlotCount) << 2);
  hashSeed = <u64>header(Header.HashSeed) * mixOne;
  rowCount = 0;
  longKeysEnd = layout.longKeysAt;
  for (let key = header(Header.Keys); load<u32>(key) !== 0; key += 12) {
    const row = rowOf(load<u32>(key), load<u32>(key, 4));
    if (row !== 0) store<u32>(row, load<u32>(key, 8), rowSteps);
  }
}

/** The row of the key; 0 on overflow. */
export function rowOf(start: usize, size: usize): usize {
  return size < 16 ? rowOfShort(v128.load(start), start, size) : rowOfLong(start, size);
}

/** @param bytes the 16 bytes at the start. */
export function rowOfShort(bytes: v128, start: usize, size: usize): usize {
  const positions = i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const key = v128.and(bytes, i8x16.gt_s(i8x16.splat(<i8>size), positions));
  let slot = hashOf(i64x2.extract_lane(key, 0), i64x2.extract_lane(key, 1), size);
  while (true) {
    const cell = cellOf(slot++);
    const row: usize = load<u32>(cell);
    if (row === 0) return newRow(cell, key, start, size);
    if (!v128.any_true(v128.xor(v128.load(row), key)) && load<u32>(row, rowSize) === <u32>size) return row;
  }
}

function rowOfLong(start: usize, size: usize): usize {
  let slot: u32 = <u32>size;
  for (let at: usize = 0; at + 16 < size; at += 16)
    slot = hashOf(load<u64>(start + at), load<u64>(start + at, 8), slot);
  slot = hashOf(load<u64>(start + size - 16), load<u64>(start + size - 8), slot);
  while (true) {
    const cell = cellOf(slot++);
    const row: usize = load<u32>(cell);
    if (row === 0) return newRow(cell, v128.load(start), start, size);
    if (load<u32>(row, rowSize) === <u32>size && isEqual(load<u32>(row, rowBytes), start, size)) return row;
  }
}

function newRow(cell: usize, bytes: v128, start: usize, size: usize): usize {
  if (rowCount === layout.keyRowsMax || longKeysEnd + size + 16 > layout.longKeysLimit) {
    overflow();
    return 0;
  }
  const row = layout.keyRowsAt + <usize>rowCount * layout.keyRowSize;
  rowCount++;
  v128.store(row, bytes);
  store<u32>(row, <u32>size, rowSize);
  store<u32>(row, flagsOfKey(start, size), rowFlags);
  store<u64>(row, 0, rowSteps);
  if (size >= 16) {
    store<u32>(row, <u32>longKeysEnd, rowBytes);
    memory.copy(longKeysEnd, start, size);
    longKeysEnd += (size + 31) & ~15;
  }
  store<u32>(cell, <u32>row);
  return row;
}

/** There are twice as many cells as rows, so every search ends. */
function cellOf(slot: u32): usize {
  return layout.keySlotsAt + ((<usize>(slot & (layout.keySlotCount - 1))) << 2);
}

function hashOf(low: u64, high: u64, size: usize): u32 {
  const mixed = (low ^ <u64>size ^ hashSeed) * mixOne + (high ^ (low >> 32) ^ (hashSeed >> 7)) * mixTwo;
  return <u32>(mixed >> 40) ^ <u32>(mixed >> 20);
}
