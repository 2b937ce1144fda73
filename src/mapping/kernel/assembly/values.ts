// Decodes values of the record. A decoding function returns whether it found something and leaves that in `start` and `end` or `integer`.

import { numberString, toDouble } from './host';
import { endOf, endScratch, Kind, kindOf, plainEnd, plainStart, startOf, takeScratch } from './tape';
import { isDigit } from './tokens';

export enum Found {
  Nothing,
  String,
  Integer,
  Boolean,
}

/** 2^53 - 1 */
const safeIntegerMax: f64 = 9007199254740991;

/** The string found last. */
export let start: usize = 0;
export let end: usize = 0;
/** The integer found last; 0 or 1 for a boolean. */
export let integer: i64 = 0;

export function setFoundInteger(value: i64): void {
  integer = value;
}

export function setFoundString(from: usize, to: usize): void {
  start = from;
  end = to;
}

/** A string, or the string form of a number or boolean. */
export function findString(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind === Kind.EscapedString) {
    start = plainStart(entry);
    end = plainEnd(entry);
    return start !== 0;
  }
  if (kind >= Kind.Object) return false;
  start = startOf(entry);
  end = endOf(entry);
  // -0
  if (kind === Kind.Integer && end - start === 2 && load<u16>(start) === 0x302d) start++;
  return kind !== Kind.Number || isAllDigits() || findNumberString();
}

/** Whether the number found last has neither a fraction nor an exponent. */
export function isAllDigits(): bool {
  for (let at = start + 1; at < end; at++) if (!isDigit(load<u8>(at))) return false;
  return true;
}

function findNumberString(): bool {
  const to = takeScratch(64);
  if (to === 0) return false;
  const size = numberString(start, end - start, to);
  if (size === 0) return true;
  setFoundString(to, to + size);
  endScratch(end);
  return true;
}

/** A 64-bit integer, also as a string of digits. */
export function findInteger(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind < Kind.Integer || kind >= Kind.Object) return false;
  if (kind === Kind.Number) return findNumber(entry);
  return findString(entry) && parseDigits();
}

function findNumber(entry: usize): bool {
  start = startOf(entry);
  end = endOf(entry);
  if (isAllDigits()) return parseDigits();
  const value = toDouble(start, end - start);
  if (!isSafeInteger(value)) return false;
  integer = <i64>value;
  return true;
}

function isSafeInteger(value: f64): bool {
  return Math.floor(value) === value && Math.abs(value) <= safeIntegerMax;
}

/** Parses the string found last as a 64-bit integer. */
export function parseDigits(): bool {
  const isNegative = load<u8>(start) === 0x2d;
  let at = isNegative ? start + 1 : start;
  if (at >= end || end - at > 19) return false;
  let value: u64 = 0;
  for (; at < end; at++) {
    const digit: u32 = <u32>load<u8>(at) - 0x30;
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  if (value > <u64>i64.MAX_VALUE + (isNegative ? 1 : 0)) return false;
  integer = isNegative ? -(<i64>value) : <i64>value;
  return true;
}

export function utf16Length(from: usize, to: usize): usize {
  let length: usize = 0;
  for (let at = from; at < to; at++) {
    const byte = load<u8>(at);
    if ((byte & 0xc0) !== 0x80) length += byte >= 0xf0 ? 2 : 1;
  }
  return length;
}

/** The string form of what was found last. */
export function findStringOf(found: Found): bool {
  if (found !== Found.Integer && found !== Found.Boolean) return found === Found.String;
  const to = takeScratch(32);
  if (to === 0) return false;
  if (found === Found.Boolean) {
    // "true", and "fals" and "e"
    store<u32>(to, integer !== 0 ? 0x65757274 : 0x736c6166);
    store<u8>(to, 0x65, 4);
    setFoundString(to, to + (integer !== 0 ? 4 : 5));
  } else {
    if (integer < 0) store<u8>(to, 0x2d);
    const digits = integer < 0 ? to + 1 : to;
    setFoundString(to, writeDigits(digits, integer < 0 ? <u64>0 - <u64>integer : <u64>integer));
  }
  endScratch(end);
  return true;
}

export function writeDigits(at: usize, value: u64): usize {
  let last = at;
  for (let rest = value; rest > 9; rest /= 10) last++;
  let rest = value;
  for (let digit = last; digit >= at; digit--) {
    store<u8>(digit, <u8>(0x30 + (rest % 10)));
    rest /= 10;
  }
  return last + 1;
}
