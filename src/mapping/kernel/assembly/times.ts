// Times of records: Unix milliseconds, and ISO 8601 with a zone.

import { Kind, kindOf } from './tape';
import { isDigit } from './tokens';
import { end, findInteger, findString, integer, setFoundInteger, start } from './values';

/** 1990, and the last milliseconds of OTLP's nanoseconds, in 2262. Smaller numbers are seconds. */
const unixMsMin: i64 = 631_152_000_000;
const unixMsMax: i64 = 9_223_372_036_854;
/** `2025-05-15T15:58:35Z` */
const isoSizeMin: usize = 20;

/** The timestamp of the record in milliseconds, 0 without one. */
let eventMs: i64 = 0;

export function setEventTime(timeMs: i64): void {
  eventMs = timeMs;
}

/**
 * Finds a time from 1990 to 2262 in nanoseconds: Unix milliseconds, also as a string of 12 or 13 digits, or ISO 8601 with a zone. Digits beyond the
 * nanosecond are cut off, not rounded. Without a zone it is not known which time is meant.
 */
export function findTime(entry: usize): bool {
  const kind = kindOf(entry);
  if (kind < Kind.Integer || kind >= Kind.Object) return false;
  if (isText(kind)) {
    if (!findString(entry)) return false;
    const size = end - start;
    if (size >= isoSizeMin) return findIsoTime();
    if (size < 12 || size > 13 || !isDigit(load<u8>(start))) return false;
  }
  if (!findInteger(entry) || integer < unixMsMin || integer > unixMsMax) return false;
  setFoundInteger(integer * 1_000_000);
  return true;
}

/** Whether a value that is no time was meant as a number, and is not one of the range. */
export function isNumber(entry: usize): bool {
  return !isText(kindOf(entry)) || findInteger(entry);
}

/** Whole seconds from the event to a time in Unix milliseconds. Any later time is one: a token without an end may expire in the year 292278994. */
export function findSecondsAfterEvent(entry: usize): bool {
  if (eventMs === 0 || !findInteger(entry) || integer <= eventMs) return false;
  setFoundInteger((integer - eventMs) / 1000);
  return true;
}

function isText(kind: Kind): bool {
  return kind === Kind.String || kind === Kind.EscapedString;
}

/** Parses the string found last: `yyyy-mm-ddThh:mm:ss`, a fraction, and `Z`, `+hh:mm` or `+hhmm`. A space may stand for the `T`, as in SQL. */
function findIsoTime(): bool {
  const isSeparated =
    load<u8>(start, 4) === 0x2d &&
    load<u8>(start, 7) === 0x2d &&
    (load<u8>(start, 10) === 0x54 || load<u8>(start, 10) === 0x20) &&
    load<u8>(start, 13) === 0x3a &&
    load<u8>(start, 16) === 0x3a;
  if (!isSeparated) return false;
  const year = twoDigits(start) * 100 + twoDigits(start + 2);
  const month = twoDigits(start + 5);
  const day = twoDigits(start + 8);
  const hour = twoDigits(start + 11);
  const minute = twoDigits(start + 14);
  const second = twoDigits(start + 17);
  if (year < 1000 || month < 1 || month > 12 || day < 1 || day > daysOf(month, year)) return false;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
  const seconds = ((<i64>daysSince1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
  return findInZone(start + 19, seconds);
}

/** @param at where the fraction or the zone begins. */
function findInZone(at: usize, localSeconds: i64): bool {
  let nanoseconds: i64 = 0;
  if (load<u8>(at) === 0x2e) {
    const firstDigit = ++at;
    for (let unit: i64 = 100_000_000; at < end && isDigit(load<u8>(at)); at++) {
      nanoseconds += unit * (<i64>load<u8>(at) - 0x30);
      unit /= 10;
    }
    if (at === firstDigit) return false;
  }
  const offset = zoneSeconds(at);
  if (offset === noZone) return false;
  const seconds = localSeconds - offset;
  if (seconds < unixMsMin / 1000 || seconds > unixMsMax / 1000) return false;
  if (seconds === unixMsMax / 1000 && nanoseconds > 854_775_807) return false;
  setFoundInteger(seconds * 1_000_000_000 + nanoseconds);
  return true;
}

const noZone: i32 = i32.MIN_VALUE;

/** East of Greenwich. The zone must end with the string. */
function zoneSeconds(at: usize): i32 {
  const size = end - at;
  const sign = load<u8>(at);
  if (size === 1) return sign === 0x5a ? 0 : noZone;
  const minutesAt = size === 6 && load<u8>(at, 3) === 0x3a ? at + 4 : at + 3;
  if ((sign !== 0x2b && sign !== 0x2d) || minutesAt + 2 !== end) return noZone;
  const hours = twoDigits(at + 1);
  const minutes = twoDigits(minutesAt);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return noZone;
  const seconds = (hours * 60 + minutes) * 60;
  return sign === 0x2d ? -seconds : seconds;
}

/** A number below 0 if they are not digits. */
function twoDigits(at: usize): i32 {
  const tens = load<u8>(at);
  const ones = load<u8>(at, 1);
  return isDigit(tens) && isDigit(ones) ? (<i32>tens - 0x30) * 10 + <i32>ones - 0x30 : -10_000;
}

function daysOf(month: i32, year: i32): i32 {
  if (month !== 2) return 30 + ((month + (month >> 3)) & 1);
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
}

/** Howard Hinnant's days_from_civil for years from 1: a year begins in March, so that the leap day is its last. */
function daysSince1970(year: i32, month: i32, day: i32): i32 {
  const shifted = month > 2 ? year : year - 1;
  const era = shifted / 400;
  const yearOfEra = shifted - era * 400;
  const dayOfYear = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
  return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468;
}
