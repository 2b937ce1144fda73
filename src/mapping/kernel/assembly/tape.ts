// The tape: one entry per value of the record, in document order. An entry records the kind and position of a value; the value itself stays
// undecoded until a rule needs it.

import { unescapeTo } from './escapes';
import { entrySize, overflow, scratchAt, scratchLimit, tapeAt, tapeLimit } from './layout';

/** Null and empty strings never count as the value of a path. */
export enum Kind {
  Null,
  EmptyString,
  False,
  True,
  /** At most 15 digits. */
  Integer,
  /** Any other number. */
  Number,
  String,
  /** A string with escapes. */
  EscapedString,
  Object,
  Array,
}

// The layout of an entry: eight words.
const entryStart: usize = 0;
const entryEnd: usize = 4;
const entryNext: usize = 8;
const entryKind: usize = 12;
const entryKeyStart: usize = 16;
const entryKeySize: usize = 20;
/** Of an escaped string: its unescaped bytes, 0 until they are needed. */
const entryPlain: usize = 24;
const entryPlainEnd: usize = 28;

export function kindOf(entry: usize): Kind {
  return load<i32>(entry, entryKind);
}

/** The position of the value; for a string, of the bytes between its quotes. */
export function startOf(entry: usize): usize {
  return load<u32>(entry, entryStart);
}

export function endOf(entry: usize): usize {
  return load<u32>(entry, entryEnd);
}

/** Of a container: the first entry after its content. */
export function contentEndOf(entry: usize): usize {
  return load<u32>(entry, entryNext);
}

/** Of a string: the entry of the object embedded in it as JSON, 0 without one. */
export function embeddedIn(entry: usize): usize {
  return load<u32>(entry, entryNext);
}

export function setEmbedded(entry: usize, root: usize): void {
  store<u32>(entry, <u32>root, entryNext);
}

/** The unescaped key. */
export function keyOf(entry: usize): usize {
  return load<u32>(entry, entryKeyStart);
}

/** 0 for array elements. */
export function keySizeOf(entry: usize): usize {
  return load<u32>(entry, entryKeySize);
}

export let tapeEnd: usize = 0;
let scratchEnd: usize = 0;

export function clearTape(): void {
  tapeEnd = tapeAt;
  scratchEnd = scratchAt;
}

export function addEntry(kind: Kind, start: usize, end: usize, key: usize, keySize: usize): usize {
  const entry = tapeEnd;
  // Once the tape is full, the last entry is overwritten.
  if (entry + 2 * entrySize <= tapeLimit) tapeEnd = entry + entrySize;
  else overflow();
  store<u64>(entry, <u64>start | ((<u64>end) << 32));
  store<u64>(entry, (<u64>kind) << 32, entryNext);
  store<u64>(entry, <u64>key | ((<u64>keySize) << 32), entryKeyStart);
  store<u64>(entry, 0, entryPlain);
  return entry;
}

export function endContainer(entry: usize, end: usize): void {
  store<u32>(entry, <u32>end, entryEnd);
  store<u32>(entry, <u32>tapeEnd, entryNext);
}

/** The first entry after the value and its content. */
export function nextSibling(entry: usize): usize {
  return kindOf(entry) >= Kind.Object ? contentEndOf(entry) : entry + entrySize;
}

/** The start of an escaped string after unescaping; `plainEnd` returns its end. 0 on overflow. */
export function plainStart(entry: usize): usize {
  const known: usize = load<u32>(entry, entryPlain);
  if (known !== 0) return known;
  const start = startOf(entry);
  const end = endOf(entry);
  const plain = takeScratch(end - start);
  if (plain === 0) return 0;
  const last = unescapeTo(plain, start, end);
  store<u32>(entry, <u32>plain, entryPlain);
  store<u32>(entry, <u32>last, entryPlainEnd);
  endScratch(last);
  return plain;
}

export function plainEnd(entry: usize): usize {
  return load<u32>(entry, entryPlainEnd);
}

/** Reserves scratch space; `endScratch` commits the part that was used. 0 on overflow. */
export function takeScratch(size: usize): usize {
  if (scratchEnd + size + 32 <= scratchLimit) return scratchEnd;
  overflow();
  return 0;
}

/** Leaves one byte free, because a scan stores a zero after its input. */
export function endScratch(end: usize): void {
  scratchEnd = end + 1;
}

export function scratchLeft(): usize {
  return scratchLimit - scratchEnd - 32;
}
