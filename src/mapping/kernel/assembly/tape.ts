// The tape: an entry for each value of the record, in the order of the text. An entry says what the value is and where it is, and nothing
// more is made of a value until a rule asks for it.

import { unescapeTo } from './escapes';
import { entrySize, lacksRoom, scratchAt, scratchLimit, tapeAt, tapeLimit } from './memory';

/** Of a value. Null and empty texts never count as a value of a path. */
export enum Kind {
  Null,
  EmptyText,
  False,
  True,
  /** Of at most 15 digits. */
  Integer,
  /** Any other number. */
  Number,
  Text,
  /** A text with backslashes. */
  EscapedText,
  Object,
  Array,
}

// An entry is eight words.
const entryStart: usize = 0;
const entryEnd: usize = 4;
const entryNext: usize = 8;
const entryKind: usize = 12;
const entryKeyStart: usize = 16;
const entryKeySize: usize = 20;
/** Of an escaped text: itself without escapes, 0 until it is asked for. */
const entryPlain: usize = 24;
const entryPlainEnd: usize = 28;

export function kindOf(entry: usize): Kind {
  return load<i32>(entry, entryKind);
}

/** Where the value is; of a text, what is between its quotes. */
export function startOf(entry: usize): usize {
  return load<u32>(entry, entryStart);
}

export function endOf(entry: usize): usize {
  return load<u32>(entry, entryEnd);
}

/** Of a container: the first entry behind its content. Of a text: the entry of the object in it, 0 without one. */
export function nextOf(entry: usize): usize {
  return load<u32>(entry, entryNext);
}

export function setNextOf(entry: usize, next: usize): void {
  store<u32>(entry, <u32>next, entryNext);
}

/** The key, without escapes. */
export function keyOf(entry: usize): usize {
  return load<u32>(entry, entryKeyStart);
}

/** 0 for elements of arrays. */
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
  // The last entry is written again and again once the tape is full.
  if (entry + 2 * entrySize <= tapeLimit) tapeEnd = entry + entrySize;
  else lacksRoom();
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

/** The entry behind the value and its content. */
export function behind(entry: usize): usize {
  return kindOf(entry) >= Kind.Object ? nextOf(entry) : entry + entrySize;
}

/** Where an escaped text starts without its escapes; `plainEnd` gives its end. 0 when there is no room. */
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

/** Room for a temporary text; `endScratch` says how much of it is used. 0 when there is none. */
export function takeScratch(size: usize): usize {
  if (scratchEnd + size + 32 <= scratchLimit) return scratchEnd;
  lacksRoom();
  return 0;
}

/** One byte stays free: a scan stores a zero behind its text. */
export function endScratch(end: usize): void {
  scratchEnd = end + 1;
}

export function scratchLeft(): usize {
  return scratchLimit - scratchEnd - 32;
}
