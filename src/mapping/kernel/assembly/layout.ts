// The layout of the kernel's memory, and its two basic operations. All sizes are in bytes, all positions are addresses.
//
// The host writes the compiled program at `programAt`. `layOutBuffers` divides the memory after it into buffers, all sized in proportion to
// the longest line that they are for. If one overflows, the host doubles all of them and maps the line again. The operating system commits
// only pages that are touched, so generous sizes cost nothing.

/** Words that the host reads after a call; the order is that of `answers` in kernel.ts. */
export enum Answer {
  LineAt,
  BodyAt,
  LineMax,
  RecordStart,
  RecordEnd,
  IsNewResource,
  IdentityStart,
  IdentityEnd,
  /** The entry of the reason why the record is unparsed, or 0. */
  UnparsedReason,
}

/** Words that locate the parts of the compiled program; the order is that of the header in program.ts. */
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
  EnvelopeSlots,
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

/** Only constants are stored below this address, so that 0 can mean "none". */
export const answersAt: usize = 8192;
/** The program begins with its header. */
export const programAt: usize = answersAt + 64;

export function answer(word: Answer, value: usize): void {
  store<u32>(answersAt + ((<usize>word) << 2), <u32>value);
}

export function answered(word: Answer): usize {
  return load<u32>(answersAt + ((<usize>word) << 2));
}

export function header(word: Header): usize {
  return load<u32>(programAt + ((<usize>word) << 2));
}

/** After every buffer: copies and comparisons work in steps of 16 bytes and may touch the bytes after the end. */
export const padding: usize = 64;

export let keySlotsAt: usize = 0;
export let keySlotCount: u32 = 0;
export let keyRowsAt: usize = 0;
export let keyRowsMax: u32 = 0;
export let longKeysAt: usize = 0;
export let longKeysLimit: usize = 0;
/** Strings that may embed JSON and have not been scanned yet. */
export let pendingAt: usize = 0;
export let pendingLimit: usize = 0;
/** The record as JSON. */
export let lineAt: usize = 0;
/** The body of the record, if it differs from the line. */
export let bodyAt: usize = 0;
/** Unescaped strings, and other strings that exist only while a record is mapped. */
export let scratchAt: usize = 0;
export let scratchLimit: usize = 0;
export let tapeAt: usize = 0;
export let tapeLimit: usize = 0;
/** The resource attributes of the last two records. */
export let identitiesAt: usize = 0;
export let identityMax: usize = 0;
export let recordAt: usize = 0;
export let recordLimit: usize = 0;
/** The record as OTLP/JSON. */
export let jsonAt: usize = 0;
export let jsonLimit: usize = 0;

export const keyRowSize: usize = 48;
export const pendingSize: usize = 16;
export const entrySize: usize = 32;

let end: usize = 0;

/** Divides the memory from an address on into buffers. Returns their end, to which the host grows the memory. */
export function layOutBuffers(at: usize, lineBytesMax: usize): usize {
  end = at;
  keySlotCount = <u32>lineBytesMax >> 4;
  keySlotsAt = buffer(keySlotCount << 2);
  keyRowsMax = <u32>lineBytesMax >> 5;
  keyRowsAt = buffer(<usize>keyRowsMax * keyRowSize);
  longKeysAt = buffer(lineBytesMax);
  longKeysLimit = longKeysAt + lineBytesMax;
  pendingAt = buffer(2 * lineBytesMax);
  pendingLimit = pendingAt + 2 * lineBytesMax;
  lineAt = buffer(lineBytesMax);
  bodyAt = buffer(lineBytesMax);
  scratchAt = buffer(2 * lineBytesMax);
  scratchLimit = scratchAt + 2 * lineBytesMax;
  // A value takes at least two bytes of a line (`1,`).
  tapeAt = buffer((lineBytesMax >> 1) * entrySize);
  tapeLimit = tapeAt + (lineBytesMax >> 1) * entrySize;
  identityMax = lineBytesMax;
  identitiesAt = buffer(2 * (identityMax + padding));
  recordAt = buffer(8 * lineBytesMax);
  recordLimit = recordAt + 8 * lineBytesMax;
  jsonAt = buffer(8 * lineBytesMax);
  jsonLimit = jsonAt + 8 * lineBytesMax;
  answer(Answer.LineAt, lineAt);
  answer(Answer.BodyAt, bodyAt);
  answer(Answer.LineMax, lineBytesMax);
  return end;
}

function buffer(size: usize): usize {
  const at = end;
  end = (at + size + padding + 15) & ~15;
  return at;
}

let isOverflown: bool = false;

/** True if a buffer was too small for the record, whose output is then invalid. */
export function hasOverflowed(): bool {
  return isOverflown;
}

export function overflow(): void {
  isOverflown = true;
}

export function clearOverflow(): void {
  isOverflown = false;
}

/** Copies forwards in steps of 16 bytes: may read up to 15 bytes after the source and overwrite up to 15 after the destination. */
export function copy(to: usize, from: usize, size: usize): void {
  for (let at: usize = 0; at < size; at += 16) v128.store(to + at, v128.load(from + at));
}

/** May read up to 15 bytes after both ends. */
export function isEqual(one: usize, other: usize, size: usize): bool {
  let at: usize = 0;
  for (; at + 16 <= size; at += 16) {
    if (v128.any_true(v128.xor(v128.load(one + at), v128.load(other + at)))) return false;
  }
  if (at === size) return true;
  const differing = i8x16.bitmask(i8x16.ne(v128.load(one + at), v128.load(other + at)));
  return (differing & ((1 << (<i32>(size - at))) - 1)) === 0;
}
