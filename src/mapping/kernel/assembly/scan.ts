// Scans JSON (RFC 8259) onto the tape in one pass, with bounded recursion, and fills the slots of the mapping's paths. It may reject input
// that JSON.parse accepts, which JSON.parse then decides; it never accepts what JSON.parse rejects.
import { hadLoneSurrogate, unescapeTo } from './escapes';
import { flagsOf, rowOf, rowOfShort, seenIn, sensitive, sensitiveInService, setSeenIn, stepsOf } from './keys';
import { entrySize, isEqual, overflow, pendingAt, pendingLimit, pendingSize } from './layout';
import * as tape from './tape';
import * as tokens from './tokens';

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

/** Bounds the search for duplicate keys in a record. Real records need a handful of steps. */
const walkedMax: u32 = 1_000_000;

const comma: u8 = 0x2c;
const openBrace: u8 = 0x7b;
const closeBrace: u8 = 0x7d;
const openBracket: u8 = 0x5b;
const closeBracket: u8 = 0x5d;

let depthLeft: i32 = 0;
/** Objects have increasing serials. The row of a key holds that of the object it was last seen in, which reveals duplicates. */
let serial: u32 = 0;
let object: u32 = 0;
let checksKeys: bool = false;
let listsStrings: bool = false;
let level: u32 = 0;
let walked: u32 = 0;

export let pendingEnd: usize = 0;

// Results of the last scan.
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
  tokens.assumeAscii();
  needsParser = false;
  hasSensitiveKey = false;
  hasKeyOfService = false;
  const first = tokens.skipBlanks(start);
  const byte = load<u8>(first);
  if (byte !== openBrace && byte !== openBracket) return false;
  const last = byte === openBrace ? objectAt(first, step, 0, 0) : arrayAt(first, 0, 0);
  return last !== tokens.malformed && tokens.skipBlanks(last) === end;
}

// Each of the following functions takes the start of a value and returns its end, or `malformed`.

function valueAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const byte = load<u8>(start);
  if (byte === tokens.quote) return stringAt(start + 1, step, key, keySize);
  if (byte === openBrace) return objectAt(start, step, key, keySize);
  if (byte === openBracket) return arrayAt(start, key, keySize);
  if (byte === tokens.minus || tokens.isDigit(byte)) return numberAt(start, key, keySize);
  return wordAt(start, key, keySize);
}

function objectAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const entry = tape.addEntry(tape.Kind.Object, start, start, key, keySize);
  if (depthLeft-- === 0) return leaveToParser();
  const node: u32 = step === 0 ? 0 : load<u32>(step, stepTo);
  const outer = object;
  object = ++serial;
  let at = tokens.skipBlanks(start + 1);
  let byte = load<u8>(at);
  let isFirst = true;
  while (byte !== closeBrace) {
    if (!isFirst) {
      if (byte !== comma) return tokens.malformed;
      at = tokens.skipBlanks(at + 1);
    }
    isFirst = false;
    at = memberAt(at, node, entry);
    if (at === tokens.malformed) return tokens.malformed;
    byte = load<u8>(at);
    if (byte > tokens.space) continue;
    at = tokens.skipBlanks(at);
    byte = load<u8>(at);
  }
  object = outer;
  depthLeft++;
  tape.endContainer(entry, at + 1);
  return at + 1;
}

function memberAt(start: usize, node: u32, entryOfObject: usize): usize {
  if (load<u8>(start) !== tokens.quote) return tokens.malformed;
  let key = start + 1;
  const bytes = v128.load(key);
  const stops = i8x16.bitmask(
    v128.or(tokens.quotesAndBackslashes(bytes), i8x16.lt_s(bytes, i8x16.splat(tokens.space))),
  );
  let end = key + ctz(stops);
  let keySize = end - key;
  let row: usize;
  if (stops !== 0 && load<u8>(end) === tokens.quote) {
    row = rowOfShort(bytes, key, keySize);
  } else {
    end = tokens.endOfString(key);
    if (end === tokens.malformed) return tokens.malformed;
    keySize = end - key;
    if (tokens.hasEscapes) {
      const plain = tape.takeScratch(keySize);
      if (plain === 0) return tokens.malformed;
      const plainEnd = unescapeTo(plain, key, end);
      if (hadLoneSurrogate) return leaveToParser();
      tape.endScratch(plainEnd);
      key = plain;
      keySize = plainEnd - plain;
    }
    row = rowOf(key, keySize);
  }
  if (row === 0) return tokens.malformed;
  if (checksKeys) {
    const seen = seenIn(row);
    if (seen >= object && (seen === object || isInObject(entryOfObject, key, keySize))) return leaveToParser();
    setSeenIn(row, object);
  }
  let at = end + 1;
  if (load<u8>(at) !== tokens.colon) {
    at = tokens.skipBlanks(at);
    if (load<u8>(at) !== tokens.colon) return tokens.malformed;
  }
  at = tokens.skipBlanks(at + 1);
  let step: usize = 0;
  if (node !== 0 && stepsOf(row) !== 0) {
    step = stepOf(row, node);
    if (step !== 0) {
      if (isValue(at)) store<u32>(load<u32>(step, stepSlot), <u32>tape.tapeEnd);
      else step = 0;
    }
  }
  const flags = flagsOf(row);
  if (flags === 0) return valueAt(at, step, key, keySize);
  const entry = tape.tapeEnd;
  at = valueAt(at, step, key, keySize);
  if (at !== tokens.malformed && tape.kindOf(entry) >= tape.Kind.Integer) {
    if (flags & sensitive) hasSensitiveKey = true;
    if (flags & sensitiveInService) hasKeyOfService = true;
  }
  return at;
}

function leaveToParser(): usize {
  needsParser = true;
  return tokens.malformed;
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
  return first !== 0x6e && !(first === tokens.quote && load<u8>(at + 1) === tokens.quote);
}

/** The key was last seen in an object nested in this one. Was it in this one before that? */
function isInObject(entry: usize, key: usize, keySize: usize): bool {
  for (let inner = entry + entrySize; inner < tape.tapeEnd; inner = tape.nextSibling(inner)) {
    if (tape.keySizeOf(inner) === <u32>keySize && isEqual(tape.keyOf(inner), key, keySize)) return true;
    if (++walked > walkedMax) return true;
  }
  return false;
}

function arrayAt(start: usize, key: usize, keySize: usize): usize {
  const entry = tape.addEntry(tape.Kind.Array, start, start, key, keySize);
  if (depthLeft-- === 0) return leaveToParser();
  let at = tokens.skipBlanks(start + 1);
  let isFirst = true;
  while (load<u8>(at) !== closeBracket) {
    if (!isFirst) {
      if (load<u8>(at) !== comma) return tokens.malformed;
      at = tokens.skipBlanks(at + 1);
    }
    isFirst = false;
    at = valueAt(at, 0, 0, 0);
    if (at === tokens.malformed) return tokens.malformed;
    at = tokens.skipBlanks(at);
  }
  depthLeft++;
  tape.endContainer(entry, at + 1);
  return at + 1;
}

function stringAt(start: usize, step: usize, key: usize, keySize: usize): usize {
  const end = tokens.endOfString(start);
  if (end === tokens.malformed) return tokens.malformed;
  const entry = tape.addEntry(
    tokens.hasEscapes ? tape.Kind.EscapedString : end === start ? tape.Kind.EmptyString : tape.Kind.String,
    start,
    end,
    key,
    keySize,
  );
  if (tokens.hasEscapedQuote && (listsStrings || (step !== 0 && load<u32>(step, stepTo) !== 0)))
    addPending(entry, step);
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

function numberAt(start: usize, key: usize, keySize: usize): usize {
  const end = tokens.endOfNumber(start);
  if (end === tokens.malformed) return tokens.malformed;
  tape.addEntry(tokens.isShortInteger ? tape.Kind.Integer : tape.Kind.Number, start, end, key, keySize);
  return end;
}

function wordAt(start: usize, key: usize, keySize: usize): usize {
  const letters = load<u32>(start);
  let kind = tape.Kind.Null;
  let end = start + 4;
  if (letters === 0x65757274) {
    kind = tape.Kind.True;
  } else if (letters === 0x736c6166 && load<u8>(end) === 0x65) {
    kind = tape.Kind.False;
    end++;
  } else if (letters !== 0x6c6c756e) {
    return tokens.malformed;
  }
  tape.addEntry(kind, start, end, key, keySize);
  return end;
}
