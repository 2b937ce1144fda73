// What records are without their values, as a tree that begins at the root: keys in their order, and of what kind each value is. A
// delivery has few shapes and millions of records, so the next key of a record is nearly always one that came at this place before.
import {
  branchesAt,
  branchesMax,
  branchSize,
  branchTableAt,
  isEqual,
  keysAt,
  keysSize,
  keyTableAt,
  shapeSize,
  shapesAt,
  shapesMax,
  tableSlots,
  treeEnd,
} from './memory';

// A shape. Its likely branches are those whose keys came here before, the latest twelve.
const shapeNumber: usize = 0;
const likelyCount: usize = 4;
const elementBranch: usize = 8;
const shapeBehind: usize = 12;
const likelyBranches: usize = 16;
const likelyMax: u32 = 12;

// A branch: a key behind a shape, or the elements of an array, and the shape that comes of each kind of value.
const branchKey: usize = 0;
const branchOwner: usize = 4;
const branchShapes: usize = 16;

// A key: its number, how long `"key":` is, whether it is ASCII, whether it has escapes, and `"key":` itself.
export const keyNumber: usize = 0;
export const keyPrefixSize: usize = 4;
export const keyIsAscii: usize = 8;
export const keyEscapes: usize = 12;
const keyPrefix: usize = 16;
const keyPrefixMax: usize = 8192;

const quote: u8 = 0x22;
const quoteAndColon: u16 = 0x3a22;

/** Far from where numbers have a sign. Nobody remembers a shape for so long. */
const lastShapeMax: u32 = 0x3fff_ffff;

/** Numbers go on when the tree begins again, so that none means two things. */
let firstShape: u32 = 1;
let shapeCount: u32 = 0;
let branchCount: u32 = 0;
let lastKey: u32 = 0;
let keysEnd: usize = keysAt;
export let root: usize = 0;

/** How much one record may add; see `isFull`. */
const entriesTrackedMax: u32 = 256;

/** Begins again when a record might not find room any more: records can make up keys without end. */
export function trim(): void {
  if (root !== 0) {
    if (!isFull()) return;
    memory.fill(shapesAt, 0, treeEnd - shapesAt);
  }
  firstShape = firstShape > lastShapeMax ? 1 : firstShape + shapeCount;
  shapeCount = 0;
  branchCount = 0;
  keysEnd = keysAt;
  root = newBranch(0, 0);
}

function isFull(): bool {
  return (
    shapeCount + 2 * entriesTrackedMax > shapesMax ||
    branchCount + 2 * entriesTrackedMax > branchesMax ||
    keysEnd + 65_536 > keysAt + keysSize
  );
}

/** False for an entry of a record that is too long for its shape to be kept. */
export function isTracked(entry: u32): bool {
  return entry < entriesTrackedMax;
}

export function numberOfShape(shape: usize): u32 {
  return load<u32>(shape, shapeNumber);
}

export function keyOfBranch(branch: usize): usize {
  return load<u32>(branch, branchKey);
}

/** The shape that a value of the kind makes. */
export function shapeOf(branch: usize, kind: u32): usize {
  const at = branch + ((<usize>kind) << 2);
  const known: usize = load<u32>(at, branchShapes);
  if (known !== 0) return known;
  const shape = newShape();
  store<u32>(at, <u32>shape, branchShapes);
  return shape;
}

/** The shape behind the end of the innermost container. */
export function behindContainer(shape: usize): usize {
  const known: usize = load<u32>(shape, shapeBehind);
  if (known !== 0) return known;
  const behind = newShape();
  store<u32>(shape, <u32>behind, shapeBehind);
  return behind;
}

/** What comes in an array. */
export function elementOf(array: usize): usize {
  const known: usize = load<u32>(array, elementBranch);
  if (known !== 0) return known;
  const branch = newBranch(0, <u32>array);
  store<u32>(array, <u32>branch, elementBranch);
  return branch;
}

/** The branch whose `"key":` stands there as it is usually written, if it is a likely one; else 0. */
export function likelyBranchAt(shape: usize, at: usize): usize {
  const count = load<u32>(shape, likelyCount);
  for (let index: u32 = 0; index < count; index++) {
    const slot = shape + ((<usize>index) << 2);
    const branch: usize = load<u32>(slot, likelyBranches);
    const key = keyOfBranch(branch);
    if (!isEqual(key + keyPrefix, at, load<u32>(key, keyPrefixSize))) continue;
    if (index > 0) {
      store<u32>(slot, load<u32>(slot - 4, likelyBranches), likelyBranches);
      store<u32>(slot - 4, <u32>branch, likelyBranches);
    }
    return branch;
  }
  return 0;
}

/** The branch of the key between the quotes; 0 when the key is too long to be kept. */
export function branchOf(shape: usize, start: usize, end: usize, hasEscapes: bool): usize {
  const key = keyBetween(start, end, hasEscapes);
  if (key === 0) return 0;
  let slot: u32 = (<u32>shape * 0x9e3779b1) ^ (<u32>key * 0x85ebca6b);
  slot ^= slot >> 15;
  let branch: usize = 0;
  while (true) {
    const cell = branchTableAt + ((<usize>(slot++ & (tableSlots - 1))) << 2);
    branch = load<u32>(cell);
    if (branch !== 0 && (keyOfBranch(branch) !== key || load<u32>(branch, branchOwner) !== <u32>shape)) continue;
    if (branch === 0) {
      branch = newBranch(<u32>key, <u32>shape);
      store<u32>(cell, <u32>branch);
    }
    break;
  }
  makeLikely(shape, branch);
  return branch;
}

function makeLikely(shape: usize, branch: usize): void {
  const count = load<u32>(shape, likelyCount);
  for (let index: u32 = 0; index < count; index++) {
    if (load<u32>(shape + ((<usize>index) << 2), likelyBranches) === <u32>branch) return;
  }
  const last = min<u32>(count, likelyMax - 1);
  store<u32>(shape + ((<usize>last) << 2), <u32>branch, likelyBranches);
  store<u32>(shape, last + 1, likelyCount);
}

function keyBetween(start: usize, end: usize, hasEscapes: bool): usize {
  const size = end - start;
  if (size + 3 > keyPrefixMax) return 0;
  let hash: u32 = 0x811c9dc5;
  let allBytes: u8 = 0;
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    allBytes |= byte;
    hash = (hash ^ byte) * 0x01000193;
  }
  let slot = hash ^ (hash >> 15);
  while (true) {
    const cell = keyTableAt + ((<usize>(slot++ & (tableSlots - 1))) << 2);
    const known: usize = load<u32>(cell);
    if (known === 0) {
      const key = newKey(start, size, allBytes < 0x80, hasEscapes);
      store<u32>(cell, <u32>key);
      return key;
    }
    if (load<u32>(known, keyPrefixSize) === <u32>size + 3 && isEqual(known + keyPrefix + 1, start, size)) return known;
  }
}

function newKey(start: usize, size: usize, isAscii: bool, hasEscapes: bool): usize {
  // As many keys as a record may have could be this long; the table must not fill up either.
  if (keysEnd + keyPrefix + size + 32 > keysAt + keysSize) return 0;
  const key = keysEnd;
  store<u32>(key, ++lastKey, keyNumber);
  store<u32>(key, <u32>size + 3, keyPrefixSize);
  store<u32>(key, <u32>isAscii, keyIsAscii);
  store<u32>(key, <u32>hasEscapes, keyEscapes);
  store<u8>(key, quote, keyPrefix);
  memory.copy(key + keyPrefix + 1, start, size);
  store<u16>(key + 1 + size, quoteAndColon, keyPrefix);
  keysEnd += (keyPrefix + size + 3 + 31) & ~15;
  return key;
}

function newShape(): usize {
  const shape = shapesAt + <usize>shapeCount * shapeSize;
  store<u32>(shape, firstShape + shapeCount++, shapeNumber);
  return shape;
}

function newBranch(key: u32, owner: u32): usize {
  const branch = branchesAt + <usize>branchCount * branchSize;
  branchCount++;
  store<u32>(branch, key, branchKey);
  store<u32>(branch, owner, branchOwner);
  return branch;
}
