// What follows from one or two short values of a record and from nothing else is found out once and kept: for the values themselves,
// which are known by their bytes, and for each derivation in cells that name the values they are of.
import {
  cellSize,
  cellSlots,
  cellsAt,
  copy,
  derivationsMax,
  isEqual,
  knownAt,
  knownSets,
  knownSize,
  knownTextMax,
  partsAt,
  partsSize,
  placesOfSet,
} from './memory';
import { entryEnd, entryShift, entryStart } from './scan';

// A known text: its number, its size, and from here on itself.
const textNumber: usize = 0;
const textSize: usize = 4;
const textBytes: usize = 16;

// A cell: the numbers of its texts, where the bytes begin that are kept for them, how many they are.
const firstText: usize = 0;
const secondText: usize = 4;
export const partAt: usize = 8;
export const partSize: usize = 12;
/** In place of the size, in a cell that was asked for before and has no bytes. */
const cameBefore: u32 = 1;

/** In place of an entry: where the line comes from, which has a number as if it were a text. */
const origin: u32 = 0xffff_ffff;

let lastText: u32 = 0;
let originNumber: u32 = 0;
let partsEnd: usize = partsAt;

/** The lines that follow come from elsewhere. */
export function beginOrigin(): void {
  originNumber = nextNumber();
}

/** No number may mean two things: after the last one everything is forgotten. */
function nextNumber(): u32 {
  if (lastText === u32.MAX_VALUE) {
    lastText = 0;
    originNumber = 0;
    memory.fill(knownAt, 0, <usize>knownSets * placesOfSet * knownSize);
    forgetCells();
  }
  return ++lastText;
}

/**
 * The cell of a derivation for the values of a record.
 * @param cells where those of the derivation begin.
 * @param first an entry, or `origin`.
 * @param second the same as the first when there is one value only.
 * @returns 0 when a value is too long to be known.
 */
export function cellOf(line: usize, tape: usize, cells: usize, first: u32, second: u32): usize {
  const one = numberOf(line, tape, first);
  if (one === 0) return 0;
  const other = second === first ? one : numberOf(line, tape, second);
  if (other === 0) return 0;
  let hash: u32 = one * 0x9e3779b1 + other * 0x85ebca6b;
  hash ^= hash >> 15;
  const cell = cells + <usize>(hash & (cellSlots - 1)) * cellSize;
  if (load<u32>(cell, firstText) === one && load<u32>(cell, secondText) === other) {
    if (load<u32>(cell, partAt) === 0) store<u32>(cell, cameBefore, partSize);
    return cell;
  }
  store<u32>(cell, one, firstText);
  store<u32>(cell, other, secondText);
  store<u64>(cell, 0, partAt);
  return cell;
}

/** Room for the bytes that are kept in the cell; 0 for what came once only and for what is too much. */
export function keepIn(cell: usize, size: u32): usize {
  if (load<u32>(cell, partSize) !== cameBefore || size > 65_536) return 0;
  if (partsEnd + size + 16 > partsAt + partsSize) forget(cell);
  const part = partsEnd;
  partsEnd += (size + 31) & ~15;
  store<u32>(cell, <u32>part, partAt);
  store<u32>(cell, size, partSize);
  return part;
}

/** All cells but this one's name: records can make up values without end. */
function forget(cell: usize): void {
  const first = load<u32>(cell, firstText);
  const second = load<u32>(cell, secondText);
  forgetCells();
  store<u32>(cell, first, firstText);
  store<u32>(cell, second, secondText);
}

function forgetCells(): void {
  memory.fill(cellsAt, 0, <usize>derivationsMax * <usize>cellSlots * cellSize);
  partsEnd = partsAt;
}

/** The number of the value as a text, which equal bytes have in common for as long as they are known; 0 for a long one. */
function numberOf(line: usize, tape: usize, index: u32): u32 {
  if (index === origin) return originNumber;
  const entry = tape + ((<usize>index) << entryShift);
  const start = line + load<u32>(entry, entryStart);
  const size: u32 = load<u32>(entry, entryEnd) - load<u32>(entry, entryStart);
  if (size > knownTextMax || size === 0) return 0;
  // Values that come often must not push each other out, so each has some places that it may be at.
  const set = knownAt + <usize>(hashOf(start, size) & (knownSets - 1)) * (placesOfSet * knownSize);
  for (let place: usize = 0; place < placesOfSet; place++) {
    const known = set + place * knownSize;
    if (load<u32>(known, textSize) === size && isEqual(known + textBytes, start, size)) {
      return load<u32>(known, textNumber);
    }
  }
  const number = nextNumber();
  const known = set + (<usize>number & (placesOfSet - 1)) * knownSize;
  store<u32>(known, number, textNumber);
  store<u32>(known, size, textSize);
  // What is behind the text goes along and is not looked at: there is room for it.
  copy(known + textBytes, start, size);
  return number;
}

function hashOf(start: usize, size: u32): u32 {
  let hash: u64 = size;
  let at: u32 = 0;
  for (; at + 8 <= size; at += 8) hash = mixed(hash ^ load<u64>(start + at));
  if (at < size) hash = mixed(hash ^ (load<u64>(start + at) & (((<u64>1) << (8 * (size - at))) - 1)));
  return <u32>hash;
}

function mixed(word: u64): u64 {
  const product = word * (((<u64>0x9e3779b9) << 32) | 0x7f4a7c15);
  return product ^ (product >> 32);
}
