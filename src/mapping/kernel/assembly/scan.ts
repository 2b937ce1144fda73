// Scans JSON (RFC 8259) onto the tape in one pass, with bounded recursion, and fills the slots of the mapping's paths. It may reject input
// that JSON.parse accepts, which JSON.parse then decides; it never accepts what JSON.parse rejects.
import { hadLoneSurrogate, unescapeTo } from './escapes';
import { flagsOf, rowOf, rowOfShort, seenIn, sensitive, sensitiveInService, setSeenIn, stepsOf } from './keys';
import { entrySize, isEqual, overflow, pendingAt, pendingLimit, pendingSize } from './layout';
import {
  addEntry,
  endContainer,
  endScratch,
  Kind,
  keyOf,
  keySizeOf,
  kindOf,
  nextSibling,
  takeScratch,
  tapeEnd,
} from './tape';

// A step of a path, four words: the node it starts from, the slot of its value, the node it leads to (0 if no path continues), and the end of
// the slots of paths that continue. The steps of a key end with the node 0.
const stepFrom: usize = 0;
export const stepSlot: usize = 4;
export const stepTo: usize = 8;
export const stepSlotsEnd: usize = 12;
const stepSize: usize = 16;

// A string that may embed JSON, four words: its entry, the step that led to it (0 without one), how much deeper redaction inspects it, and its
// level: 1 in the line itself, 2 in a string of the line, and so on.
export const pendingEntry: usize = 0;
export const pendingStep: usize = 4;
export const pendingDepth: usize = 8;
export const pendingLevel: usize = 12;

const malformed: usize = 0;
const exactDigitsMax: usize = 15;
/** Bounds the search for duplicate keys in a record. Real records need a handful of steps. */
const walkedMax: u32 = 1_000_000;

const quote: u8 = 0x22;
const backslash: u8 = 0x5c;
const comma: u8 = 0x2c;
const colon: u8 = 0x3a;
const openBrace: u8 = 0x7b;
const closeBrace: u8 = 0x7d;
const openBracket: u8 = 0x5b;
const closeBracket: u8 = 0x5d;
const minus: u8 = 0x2d;
const space: u8 = 0x20;

let depthLeft: i32 = 0;
/** Objects have increasing serials. The row of a key holds that of the object it was last seen in, which reveals duplicates. */
let serial: u32 = 0;
let object: u32 = 0;
let checksKeys: bool = false;
let listsStrings: bool = false;
let level: u32 = 0;
let walked: u32 = 0;
let hasEscapes: bool = false;
let hasEscapedQuote: bool = false;

export let pendingEnd: usize = 0;

// Results of the last scan.
export let isAscii: bool = true;
/** The scan stopped at something that only JSON.parse can decide: a duplicate key, a lone surrogate in a key, excessive depth. */
export let needsParser: bool = false;
export let hasSensitiveKey: bool = false;
export let hasKeyOfService: bool = false;

/** Starts a record. Returns true if serials start over, so that those in the rows of keys are void. */
export function restart(): bool {
  pendingEnd = pendingAt;
  walked = 0;
  if (serial < 0xf000_0000) return false;
  serial = 0;
  return true;
}

export function setPendingEnd(end: usize): void {
  pendingEnd = end;
}

/**
 * For the scans that follow.
 * @param keys whether to reject duplicate keys.
 * @param strings whether to list all strings that may embed a key, not only those that paths lead to.
 */
export function setChecks(keys: bool, strings: bool): void {
  checksKeys = keys;
  listsStrings = strings;
}

/**
 * Scans the JSON from start to end; its root becomes the next entry on the tape. Overwrites the byte after the end with a zero, at which every
 * scanning loop stops.
 * @param step that leads to the root.
 * @param depthMax of nested containers.
 * @param levelOfJson 0 for a line.
 */
export function scanJson(start: usize, end: usize, step: usize, depthMax: i32, levelOfJson: u32): bool {
  store<u8>(end, 0);
  depthLeft = depthMax;
  level = levelOfJson;
  isAscii = true;
  needsParser = false;
  hasSensitiveKey = false;
  hasKeyOfService = false;
  const first = skipBlanks(start);
  const byte = load<u8>(first);
  if (byte !== openBrace && byte !== openBracket) return false;
  const last = byte === openBrace ? objectAt(first, step, 0, 0) : arrayAt(first, 0, 0);
  return last !== malformed && skipBlanks(last) === end;
}

// Each of the following functions takes the start of a value and returns its end, or `malformed`.

function valueAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const byte = load<u8>(start);
  if (byte === quote) return stringAt(start + 1, step, key, keySize);
  if (byte === openBrace) return objectAt(start, step, key, keySize);
  if (byte === openBracket) return arrayAt(start, key, keySize);
  if (byte === minus || isDigit(byte)) return numberAt(start, key, keySize);
  return wordAt(start, key, keySize);
}

function objectAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const entry = addEntry(Kind.Object, start, start, key, keySize);
  if (depthLeft-- === 0) return leaveToParser();
  const node: u32 = step === 0 ? 0 : load<u32>(step, stepTo);
  const outer = object;
  object = ++serial;
  let at = skipBlanks(start + 1);
  let byte = load<u8>(at);
  let isFirst = true;
  while (byte !== closeBrace) {
    if (!isFirst) {
      if (byte !== comma) return malformed;
      at = skipBlanks(at + 1);
    }
    isFirst = false;
    at = memberAt(at, node, entry);
    if (at === malformed) return malformed;
    byte = load<u8>(at);
    if (byte > space) continue;
    at = skipBlanks(at);
    byte = load<u8>(at);
  }
  object = outer;
  depthLeft++;
  endContainer(entry, at + 1);
  return at + 1;
}

function memberAt(start: usize, node: u32, entryOfObject: usize): usize {
  if (load<u8>(start) !== quote) return malformed;
  let key = start + 1;
  const bytes = v128.load(key);
  const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_s(bytes, i8x16.splat(space))));
  let end = key + ctz(stops);
  let keySize = end - key;
  let row: usize;
  if (stops !== 0 && load<u8>(end) === quote) {
    row = rowOfShort(bytes, key, keySize);
  } else {
    end = endOfString(key);
    if (end === malformed) return malformed;
    keySize = end - key;
    if (hasEscapes) {
      const plain = takeScratch(keySize);
      if (plain === 0) return malformed;
      const plainEnd = unescapeTo(plain, key, end);
      if (hadLoneSurrogate) return leaveToParser();
      endScratch(plainEnd);
      key = plain;
      keySize = plainEnd - plain;
    }
    row = rowOf(key, keySize);
  }
  if (row === 0) return malformed;
  if (checksKeys) {
    const seen = seenIn(row);
    if (seen >= object && (seen === object || isInObject(entryOfObject, key, keySize))) return leaveToParser();
    setSeenIn(row, object);
  }
  let at = end + 1;
  if (load<u8>(at) !== colon) {
    at = skipBlanks(at);
    if (load<u8>(at) !== colon) return malformed;
  }
  at = skipBlanks(at + 1);
  let step: usize = 0;
  if (node !== 0 && stepsOf(row) !== 0) {
    step = stepOf(row, node);
    if (step !== 0) {
      if (isValue(at)) store<u32>(load<u32>(step, stepSlot), <u32>tapeEnd);
      else step = 0;
    }
  }
  const flags = flagsOf(row);
  if (flags === 0) return valueAt(at, step, key, keySize);
  const entry = tapeEnd;
  at = valueAt(at, step, key, keySize);
  if (at !== malformed && kindOf(entry) >= Kind.Integer) {
    if (flags & sensitive) hasSensitiveKey = true;
    if (flags & sensitiveInService) hasKeyOfService = true;
  }
  return at;
}

function leaveToParser(): usize {
  needsParser = true;
  return malformed;
}

function stepOf(row: usize, node: u32): usize {
  for (let step = stepsOf(row); load<u32>(step, stepFrom) !== 0; step += stepSize) {
    if (load<u32>(step, stepFrom) === node) return step;
  }
  return 0;
}

/** Neither null nor an empty string. */
function isValue(at: usize): bool {
  const first = load<u8>(at);
  return first !== 0x6e && !(first === quote && load<u8>(at + 1) === quote);
}

/** The key was last seen in an object nested in this one. Was it in this one before that? */
function isInObject(entry: usize, key: usize, keySize: usize): bool {
  for (let inner = entry + entrySize; inner < tapeEnd; inner = nextSibling(inner)) {
    if (keySizeOf(inner) === <u32>keySize && isEqual(keyOf(inner), key, keySize)) return true;
    if (++walked > walkedMax) return true;
  }
  return false;
}

function arrayAt(start: usize, key: usize, keySize: usize): usize {
  const entry = addEntry(Kind.Array, start, start, key, keySize);
  if (depthLeft-- === 0) return leaveToParser();
  let at = skipBlanks(start + 1);
  let isFirst = true;
  while (load<u8>(at) !== closeBracket) {
    if (!isFirst) {
      if (load<u8>(at) !== comma) return malformed;
      at = skipBlanks(at + 1);
    }
    isFirst = false;
    at = valueAt(at, 0, 0, 0);
    if (at === malformed) return malformed;
    at = skipBlanks(at);
  }
  depthLeft++;
  endContainer(entry, at + 1);
  return at + 1;
}

function stringAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const end = endOfString(start);
  if (end === malformed) return malformed;
  const entry = addEntry(
    hasEscapes ? Kind.EscapedString : end === start ? Kind.EmptyString : Kind.String,
    start,
    end,
    key,
    keySize,
  );
  if (hasEscapedQuote && (listsStrings || (step !== 0 && load<u32>(step, stepTo) !== 0))) addPending(entry, step);
  return end + 1;
}

function addPending(entry: usize, step: usize): void {
  if (pendingEnd + pendingSize > pendingLimit) {
    overflow();
    return;
  }
  store<u32>(pendingEnd, <u32>entry, pendingEntry);
  store<u32>(pendingEnd, step !== 0 && load<u32>(step, stepTo) !== 0 ? <u32>step : 0, pendingStep);
  store<u32>(pendingEnd, <u32>depthLeft, pendingDepth);
  store<u32>(pendingEnd, level + 1, pendingLevel);
  pendingEnd += pendingSize;
}

/** The position of the closing quote. Skips 16 bytes at a time up to a quote, a backslash or a byte outside ASCII. */
function endOfString(start: usize): usize {
  hasEscapes = false;
  hasEscapedQuote = false;
  let at = start;
  while (true) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_s(bytes, i8x16.splat(space))));
    if (stops !== 0) {
      at += ctz(stops);
      return load<u8>(at) === quote ? at : endOfOtherString(at);
    }
    at += 16;
  }
}

/** The same, with escapes and bytes outside ASCII. */
function endOfOtherString(start: usize): usize {
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
    const letter = load<u8>(at + 1);
    if (letter === quote) hasEscapedQuote = true;
    const size = escapeSize(letter, at + 2);
    if (size === 0) return malformed;
    at += size;
  }
}

function quotesAndBackslashes(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(backslash)));
}

/** The size of the escape with this letter, 0 if there is none. */
function escapeSize(letter: u8, digitsAt: usize): usize {
  if (letter === 0x75) {
    for (let at = digitsAt; at < digitsAt + 4; at++) if (!isHexDigit(load<u8>(at))) return 0;
    // \u0022
    if (load<u32>(digitsAt) === 0x32323030) hasEscapedQuote = true;
    return 6;
  }
  if (letter === quote || letter === backslash || letter === 0x2f) return 2;
  // b, f, n, r, t
  return <u32>letter - 0x62 <= 18 && ((0x5_1011 >> (<u32>letter - 0x62)) & 1) === 1 ? 2 : 0;
}

function numberAt(start: usize, key: usize, keySize: usize): usize {
  const firstDigit = load<u8>(start) === minus ? start + 1 : start;
  const endOfInteger = skipDigits(firstDigit);
  const end = endOfNumber(firstDigit, endOfInteger);
  if (end === malformed) return malformed;
  const isExact = end === endOfInteger && end - firstDigit <= exactDigitsMax;
  addEntry(isExact ? Kind.Integer : Kind.Number, start, end, key, keySize);
  return end;
}

function endOfNumber(firstDigit: usize, endOfInteger: usize): usize {
  const digitCount = endOfInteger - firstDigit;
  if (digitCount === 0 || (digitCount > 1 && load<u8>(firstDigit) === 0x30)) return malformed;
  let at = endOfInteger;
  if (load<u8>(at) === 0x2e) {
    const firstDecimal = at + 1;
    at = skipDigits(firstDecimal);
    if (at === firstDecimal) return malformed;
  }
  if ((load<u8>(at) | 0x20) === 0x65) {
    const sign = load<u8>(at + 1);
    const firstOfExponent = sign === 0x2b || sign === minus ? at + 2 : at + 1;
    at = skipDigits(firstOfExponent);
    if (at === firstOfExponent) return malformed;
  }
  return at;
}

function wordAt(start: usize, key: usize, keySize: usize): usize {
  const letters = load<u32>(start);
  let kind = Kind.Null;
  let end = start + 4;
  if (letters === 0x65757274) {
    kind = Kind.True;
  } else if (letters === 0x736c6166 && load<u8>(end) === 0x65) {
    kind = Kind.False;
    end++;
  } else if (letters !== 0x6c6c756e) {
    return malformed;
  }
  addEntry(kind, start, end, key, keySize);
  return end;
}

export function skipBlanks(start: usize): usize {
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

export function isDigit(byte: u8): bool {
  return <u32>byte - 0x30 <= 9;
}

export function isHexDigit(byte: u8): bool {
  return isDigit(byte) || <u32>(byte | 0x20) - 0x61 <= 5;
}

/** True if a colon follows a quote, or if a `\u` escape may be a quote at another level: then redaction must inspect the string. */
export function mayContainKey(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    const stops = i8x16.bitmask(quotesAndBackslashes(v128.load(at)));
    if (stops === 0) {
      at += 16;
      continue;
    }
    at += ctz(stops);
    if (at >= end) return false;
    if (load<u8>(at++) === backslash) {
      if (at < end && load<u8>(at) === 0x75) return true;
      continue;
    }
    let behindQuote = at;
    while (behindQuote < end && load<u8>(behindQuote) <= space) behindQuote++;
    if (behindQuote < end && load<u8>(behindQuote) === colon) return true;
  }
  return false;
}
