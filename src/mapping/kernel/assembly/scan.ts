// Reads one JSON text (RFC 8259) from its bytes without making anything of its values: each becomes an entry on a tape that says what
// it is and where it stands. Most of what a record holds is only copied from the line into the request.
import {
  behindContainer,
  branchOf,
  elementOf,
  isTracked,
  keyEscapes,
  keyIsAscii,
  keyNumber,
  keyOfBranch,
  keyPrefixSize,
  likelyBranchAt,
  numberOfShape,
  root,
  shapeOf,
  trim,
} from './shapes';

// What an entry is; the numbers are those of `kinds` in kernel.ts.
export const ofNull: u32 = 0;
export const ofEmptyText: u32 = 1;
export const ofFalse: u32 = 2;
export const ofTrue: u32 = 3;
export const ofInteger: u32 = 4;
export const ofNumber: u32 = 5;
export const ofText: u32 = 6;
export const ofEscapedText: u32 = 7;
export const ofObject: u32 = 8;
export const ofArray: u32 = 9;

// An entry, in eight words. Places count from the beginning of the line; keys are those of members.
export const entryShift: usize = 5;
export const entryStart: usize = 0;
export const entryEnd: usize = 4;
/** Of a container: the first entry behind all that is in it. */
export const entryNext: usize = 8;
export const entryKind: usize = 12;
/** The number of the key, 0 for one that is not kept. */
const entryKey: usize = 16;
export const entryKeyStart: usize = 20;
export const entryKeyEnd: usize = 24;
export const entryKeyHasEscapes: usize = 28;

// In place of a shape: no object in valid JSON, and a record whose shape is not kept.
const noObject: i32 = -1;
const unkeptShape: i32 = 0;
/** In place of where something ends. */
const malformed: usize = 0;
const exactDigitsMax: usize = 15;

const quote: u8 = 0x22;
const backslash: u8 = 0x5c;
const comma: u8 = 0x2c;
const colon: u8 = 0x3a;
const openBrace: u8 = 0x7b;
const closeBrace: u8 = 0x7d;
const openBracket: u8 = 0x5b;
const closeBracket: u8 = 0x5d;
const plus: u8 = 0x2b;
const minus: u8 = 0x2d;
const point: u8 = 0x2e;
const zero: u8 = 0x30;
const space: u8 = 0x20;

let lineAt: usize = 0;
let tapeAt: usize = 0;
let depthLeft: i32 = 0;
let entryCount: u32 = 0;
let isAscii: bool = true;
let hasEscapes: bool = false;
let isKept: bool = true;
/** Of what was scanned so far; 0 when it is not kept. */
let shape: usize = 0;
/** Of the key that was met last. */
let keyHasEscapes: bool = false;

/**
 * Puts the object on the tape; entry 0 is the object itself.
 * @param line where it lies, with 16 more bytes behind it.
 * @param tape room for an entry for each two bytes of the line, and for each container that may be open.
 * @returns the number of its shape, or `unkeptShape`, or `noObject`.
 */
export function scan(line: usize, size: u32, tape: usize, depthMax: i32): i32 {
  trim();
  lineAt = line;
  tapeAt = tape;
  depthLeft = depthMax;
  entryCount = 0;
  isAscii = true;
  isKept = true;
  keyHasEscapes = false;
  const lineEnd = line + size;
  // Nothing reads beyond a zero.
  store<u8>(lineEnd, 0);
  const start = skipBlanks(line);
  if (load<u8>(start) !== openBrace) return noObject;
  const end = object(start, root, 0, 0);
  if (end === malformed || skipBlanks(end) !== lineEnd) return noObject;
  return isKept ? numberOfShape(shape) : unkeptShape;
}

/** Of the last scan. */
export function entriesOnTape(): u32 {
  return entryCount;
}

/** False when the last scan met a byte that is not ASCII. */
export function wasAscii(): bool {
  return isAscii;
}

// Each of what follows takes where something begins and returns where it ends, or `malformed`. The key is that of the value.

function value(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const byte = load<u8>(start);
  if (byte === quote) return text(start + 1, branch, key, endOfKey);
  if (byte === openBrace) return object(start, branch, key, endOfKey);
  if (byte === openBracket) return array(start, branch, key, endOfKey);
  if (byte === minus || isDigit(byte)) return number(start, branch, key, endOfKey);
  return word(start, branch, key, endOfKey);
}

function object(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const entry = add(ofObject, start, start, branch, key, endOfKey);
  if (depthLeft-- === 0) return malformed;
  let at = skipBlanks(start + 1);
  let byte = load<u8>(at);
  let isFirst = true;
  while (byte !== closeBrace) {
    if (!isFirst) {
      if (byte !== comma) return malformed;
      at++;
    }
    isFirst = false;
    at = member(at);
    if (at === malformed) return malformed;
    byte = load<u8>(at);
    if (byte > space) continue;
    at = skipBlanks(at);
    byte = load<u8>(at);
  }
  endContainer(entry, at + 1);
  return at + 1;
}

/** Records of one shape are written alike, without blanks: nearly always the likely key and its colon stand right here. */
function member(start: usize): usize {
  const branch = isKept ? likelyBranchAt(shape, start) : 0;
  if (branch === 0) return otherMember(skipBlanks(start));
  const key = keyOfBranch(branch);
  if (load<u32>(key, keyIsAscii) === 0) isAscii = false;
  keyHasEscapes = load<u32>(key, keyEscapes) !== 0;
  const behind = start + load<u32>(key, keyPrefixSize);
  if (load<u8>(behind) === quote) return text(behind + 1, branch, start + 1, behind - 2);
  return value(skipBlanks(behind), branch, start + 1, behind - 2);
}

function otherMember(start: usize): usize {
  if (load<u8>(start) !== quote) return malformed;
  const end = endOfText(start + 1);
  if (end === malformed) return malformed;
  keyHasEscapes = hasEscapes;
  let branch: usize = 0;
  if (isKept) {
    branch = branchOf(shape, start + 1, end, keyHasEscapes);
    if (branch === 0) isKept = false;
  }
  const at = skipBlanks(end + 1);
  return load<u8>(at) === colon ? value(skipBlanks(at + 1), branch, start + 1, end) : malformed;
}

function array(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const entry = add(ofArray, start, start, branch, key, endOfKey);
  if (depthLeft-- === 0) return malformed;
  let at = skipBlanks(start + 1);
  let isFirst = true;
  while (load<u8>(at) !== closeBracket) {
    if (!isFirst) {
      if (load<u8>(at) !== comma) return malformed;
      at = skipBlanks(at + 1);
    }
    isFirst = false;
    keyHasEscapes = false;
    at = value(at, isKept ? elementOf(shape) : 0, 0, 0);
    if (at === malformed) return malformed;
    at = skipBlanks(at);
  }
  endContainer(entry, at + 1);
  return at + 1;
}

function endContainer(entry: usize, end: usize): void {
  depthLeft++;
  store<u32>(entry, <u32>(end - lineAt), entryEnd);
  store<u32>(entry, entryCount, entryNext);
  if (isKept) shape = behindContainer(shape);
}

function text(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const end = endOfText(start);
  if (end === malformed) return malformed;
  add(hasEscapes ? ofEscapedText : end === start ? ofEmptyText : ofText, start, end, branch, key, endOfKey);
  return end + 1;
}

/** Where the closing quote stands. Goes over 16 bytes at a time up to a quote, a backslash or what is no ASCII character. */
function endOfText(start: usize): usize {
  hasEscapes = false;
  let at = start;
  while (true) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_s(bytes, i8x16.splat(space))));
    if (stops !== 0) {
      at += ctz(stops);
      return load<u8>(at) === quote ? at : endOfOtherText(at);
    }
    at += 16;
  }
}

/** The same with bytes that are not ASCII, and with escapes. */
function endOfOtherText(start: usize): usize {
  let at = start;
  while (true) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_u(bytes, i8x16.splat(space))));
    const others = i8x16.bitmask(bytes);
    if (stops === 0) {
      if (others !== 0) isAscii = false;
      at += 16;
      continue;
    }
    const passed = ctz(stops);
    if ((others & ((1 << passed) - 1)) !== 0) isAscii = false;
    at += passed;
    const byte = load<u8>(at);
    if (byte === quote) return at;
    if (byte !== backslash) return malformed;
    hasEscapes = true;
    const size = escapeSize(load<u8>(at + 1), at + 2);
    if (size === 0) return malformed;
    at += size;
  }
}

function quotesAndBackslashes(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(backslash)));
}

/** How long the escape is with this letter; 0 when it is none. */
function escapeSize(letter: u8, digitsAt: usize): usize {
  switch (letter) {
    case 0x22: // quote
    case 0x5c: // backslash
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return 2;
    case 0x75: // u
      for (let at = digitsAt; at < digitsAt + 4; at++) if (!isHexDigit(load<u8>(at))) return 0;
      return 6;
    default:
      return 0;
  }
}

function number(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const firstDigit = load<u8>(start) === minus ? start + 1 : start;
  const endOfInteger = skipDigits(firstDigit);
  const end = endOfNumber(firstDigit, endOfInteger);
  if (end === malformed) return malformed;
  const isExact = end === endOfInteger && end - firstDigit <= exactDigitsMax;
  add(isExact ? ofInteger : ofNumber, start, end, branch, key, endOfKey);
  return end;
}

function endOfNumber(firstDigit: usize, endOfInteger: usize): usize {
  const digitCount = endOfInteger - firstDigit;
  if (digitCount === 0 || (digitCount > 1 && load<u8>(firstDigit) === zero)) return malformed;
  let at = endOfInteger;
  if (load<u8>(at) === point) {
    const firstDecimal = at + 1;
    at = skipDigits(firstDecimal);
    if (at === firstDecimal) return malformed;
  }
  if ((load<u8>(at) | 0x20) === 0x65) {
    const sign = load<u8>(at + 1);
    const firstOfExponent = sign === plus || sign === minus ? at + 2 : at + 1;
    at = skipDigits(firstOfExponent);
    if (at === firstOfExponent) return malformed;
  }
  return at;
}

function word(start: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const letters = load<u32>(start);
  let kind = ofNull;
  let end = start + 4;
  if (letters === 0x65757274) {
    kind = ofTrue;
  } else if (letters === 0x736c6166 && load<u8>(end) === 0x65) {
    kind = ofFalse;
    end++;
  } else if (letters !== 0x6c6c756e) {
    return malformed;
  }
  add(kind, start, end, branch, key, endOfKey);
  return end;
}

function add(kind: u32, start: usize, end: usize, branch: usize, key: usize, endOfKey: usize): usize {
  const entry = tapeAt + ((<usize>entryCount) << entryShift);
  if (!isTracked(entryCount++)) isKept = false;
  let keyNumberOrZero: u32 = 0;
  if (isKept) {
    shape = shapeOf(branch, kind);
    const known = keyOfBranch(branch);
    if (known !== 0) keyNumberOrZero = load<u32>(known, keyNumber);
  }
  store<u32>(entry, <u32>(start - lineAt), entryStart);
  store<u32>(entry, <u32>(end - lineAt), entryEnd);
  store<u32>(entry, kind, entryKind);
  store<u32>(entry, keyNumberOrZero, entryKey);
  store<u32>(entry, key === 0 ? 0 : <u32>(key - lineAt), entryKeyStart);
  store<u32>(entry, key === 0 ? 0 : <u32>(endOfKey - lineAt), entryKeyEnd);
  store<u32>(entry, <u32>keyHasEscapes, entryKeyHasEscapes);
  return entry;
}

function skipBlanks(start: usize): usize {
  let at = start;
  while (true) {
    const byte = load<u8>(at);
    if (byte > space || (byte !== space && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) return at;
    at++;
  }
}

function skipDigits(start: usize): usize {
  let at = start;
  while (isDigit(load<u8>(at))) at++;
  return at;
}

function isDigit(byte: u8): bool {
  return <u32>byte - zero <= 9;
}

function isHexDigit(byte: u8): bool {
  return isDigit(byte) || <u32>(byte | 0x20) - 0x61 <= 5;
}
