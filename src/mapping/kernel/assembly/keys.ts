// The keys of records, by their bytes: whether a key is sensitive, and where the mapping's paths go from it, is found once for all records.
// The only thing that outlives a record. Records can make up keys without end, so the table forgets all but the mapping's keys now and then.
import { flagsOfKey } from './host';
import {
  Header,
  header,
  isEqual,
  keyRowSize,
  keyRowsAt,
  keyRowsMax,
  keySlotCount,
  keySlotsAt,
  lacksRoom,
  longKeysAt,
  longKeysLimit,
} from './memory';

// A row: the first 16 bytes, the size, flags, the steps that paths take with the key (0 without), the object that had it last, and the
// address of all bytes of a key of 16 bytes or more.
const rowSize: usize = 16;
const rowFlags: usize = 20;
const rowSteps: usize = 24;
const rowSeenIn: usize = 28;
const rowBytes: usize = 32;

export const sensitive: u32 = 1;
export const sensitiveInService: u32 = 2;

// Odd numbers without a pattern (SplitMix64, xxHash).
const mixOne: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;
const mixTwo: u64 = ((<u64>0xc2b2ae3d) << 32) | 0x27d4eb4f;

/** Keeps a sender from choosing keys that collide. */
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

/** Between two records; rows do not move within one. */
export function areKeysMany(): bool {
  return rowCount + (rowCount >> 2) > keyRowsMax || longKeysEnd - longKeysAt > (longKeysLimit - longKeysAt) >> 1;
}

/** Forgets all keys but those of the mapping: rows of address, size and steps, up to one with the address 0. */
export function forgetKeys(): void {
  memory.fill(keySlotsAt, 0, (<usize>keySlotCount) << 2);
  hashSeed = <u64>header(Header.HashSeed) * mixOne;
  rowCount = 0;
  longKeysEnd = longKeysAt;
  for (let key = header(Header.Keys); load<u32>(key) !== 0; key += 12) {
    const row = rowOf(load<u32>(key), load<u32>(key, 4));
    if (row !== 0) store<u32>(row, load<u32>(key, 8), rowSteps);
  }
}

/** The row of the key; 0 when there is no room for another one. */
export function rowOf(start: usize, size: usize): usize {
  return size < 16 ? rowOfShort(v128.load(start), start, size) : rowOfLong(start, size);
}

/** @param bytes at the start, with whatever is behind the key. */
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
  if (rowCount === keyRowsMax || longKeysEnd + size + 16 > longKeysLimit) {
    lacksRoom();
    return 0;
  }
  const row = keyRowsAt + <usize>rowCount * keyRowSize;
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

/** There are twice as many cells as rows, so a search always ends. */
function cellOf(slot: u32): usize {
  return keySlotsAt + ((<usize>(slot & (keySlotCount - 1))) << 2);
}

function hashOf(low: u64, high: u64, size: usize): u32 {
  const mixed = (low ^ <u64>size ^ hashSeed) * mixOne + (high ^ (low >> 32) ^ (hashSeed >> 7)) * mixTwo;
  return <u32>(mixed >> 40) ^ <u32>(mixed >> 20);
}
