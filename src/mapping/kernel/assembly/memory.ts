// The layout of the kernel's memory, and its two smallest operations. All sizes are in bytes, all positions are addresses.
//
// The agent writes the compiled program behind `programAt`. Behind that, `layOutRooms` divides the rest into rooms, all in proportion to the
// longest line that they are for. Whatever needs more room ends the record with `lacksRoom`; the agent doubles all rooms and repeats the
// record. Pages that nothing touches cost no memory, so rooms are generous.

/** What the agent reads after a call, a word each, in the order of `answers` in kernel.ts. */
export enum Answer {
  LineAt,
  BodyAt,
  LineMax,
  RecordStart,
  RecordEnd,
  IsNewResource,
  IdentityStart,
  IdentityEnd,
}

/** Where the parts of the compiled program are, a word each, in the order of the header in program.ts. */
export enum Header {
  RootStep,
  Redacts,
  Keys,
  HashSeed,
  Slots,
  SlotsEnd,
  Facts,
  FactsEnd,
  ServiceSlots,
  Services,
  ServiceCount,
  PrincipalTypes,
  NameBuckets,
  TimestampSlots,
  SeverityRules,
  ResourceRules,
  RecordRules,
  LineRules,
  Flag,
  FlagSize,
  RecordEnds,
  ReasonSlot,
  EventNameSlot,
}

/** Below this address nothing is stored, so that 0 can mean "none". */
export const answersAt: usize = 4096;
/** The program begins with its header. */
export const programAt: usize = answersAt + 64;

export function answer(word: Answer, value: usize): void {
  store<u32>(answersAt + ((<usize>word) << 2), <u32>value);
}

export function header(word: Header): usize {
  return load<u32>(programAt + ((<usize>word) << 2));
}

/** Behind every room: copies and comparisons work in steps of 16 bytes and may touch the bytes behind the end. */
const padding: usize = 64;

export let keySlotsAt: usize = 0;
export let keySlotCount: u32 = 0;
export let keyRowsAt: usize = 0;
export let keyRowsMax: u32 = 0;
export let longKeysAt: usize = 0;
export let longKeysLimit: usize = 0;
/** Texts that may contain JSON and are still to be read. */
export let pendingAt: usize = 0;
export let pendingLimit: usize = 0;
/** The record as JSON. */
export let lineAt: usize = 0;
/** The body of the record, when it is not the line itself. */
export let bodyAt: usize = 0;
/** Texts without their escapes, and other texts that exist only while a record is mapped. */
export let scratchAt: usize = 0;
export let scratchLimit: usize = 0;
export let tapeAt: usize = 0;
export let tapeLimit: usize = 0;
/** The resource attributes of the last two records. */
export let identitiesAt: usize = 0;
export let identityMax: usize = 0;
export let recordAt: usize = 0;
export let recordLimit: usize = 0;

export const keyRowSize: usize = 48;
export const pendingSize: usize = 16;
export const entrySize: usize = 32;

let end: usize = 0;

/** Divides the memory from an address on into rooms. Returns where they end; the agent grows the memory to that. */
export function layOutRooms(at: usize, lineBytesMax: usize): usize {
  end = at;
  keySlotCount = <u32>lineBytesMax >> 4;
  keySlotsAt = room(keySlotCount << 2);
  keyRowsMax = <u32>lineBytesMax >> 5;
  keyRowsAt = room(<usize>keyRowsMax * keyRowSize);
  longKeysAt = room(lineBytesMax);
  longKeysLimit = longKeysAt + lineBytesMax;
  pendingAt = room(2 * lineBytesMax);
  pendingLimit = pendingAt + 2 * lineBytesMax;
  lineAt = room(lineBytesMax);
  bodyAt = room(lineBytesMax);
  scratchAt = room(2 * lineBytesMax);
  scratchLimit = scratchAt + 2 * lineBytesMax;
  // A value takes at least two bytes of a line (`1,`).
  tapeAt = room((lineBytesMax >> 1) * entrySize);
  tapeLimit = tapeAt + (lineBytesMax >> 1) * entrySize;
  identityMax = lineBytesMax;
  identitiesAt = room(2 * (identityMax + padding));
  recordAt = room(8 * lineBytesMax);
  recordLimit = recordAt + 8 * lineBytesMax;
  answer(Answer.LineAt, lineAt);
  answer(Answer.BodyAt, bodyAt);
  answer(Answer.LineMax, lineBytesMax);
  return end;
}

function room(size: usize): usize {
  const at = end;
  end = (at + size + padding + 15) & ~15;
  return at;
}

let isShort: bool = false;

/** True when a room was too small for the record; nothing of what was made of it counts. */
export function isShortOfRoom(): bool {
  return isShort;
}

export function lacksRoom(): void {
  isShort = true;
}

export function startWithRoom(): void {
  isShort = false;
}

/** Copies in steps of 16 bytes, forwards: may read up to 15 bytes behind the source and overwrite 15 behind the destination. */
export function copy(to: usize, from: usize, size: usize): void {
  for (let at: usize = 0; at < size; at += 16) v128.store(to + at, v128.load(from + at));
}

/** May read up to 15 bytes behind both ends. */
export function isEqual(one: usize, other: usize, size: usize): bool {
  let at: usize = 0;
  for (; at + 16 <= size; at += 16) {
    if (v128.any_true(v128.xor(v128.load(one + at), v128.load(other + at)))) return false;
  }
  if (at === size) return true;
  const differing = i8x16.bitmask(i8x16.ne(v128.load(one + at), v128.load(other + at)));
  return (differing & ((1 << (<i32>(size - at))) - 1)) === 0;
}
