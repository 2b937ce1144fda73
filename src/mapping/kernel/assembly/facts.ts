// Facts of a record, and the conditions (`when`) on them.

import { convert } from './conversions';
import { Header, header, isEqual } from './layout';
import { find } from './slots';
import { endOf, Kind, kindOf, plainEnd, plainStart, startOf } from './tape';
import { end, Found, integer, start } from './values';

// A fact, 32 bytes: its conversion and list of slots; for the current record, what was found, and its string or integer.
const factConversion: usize = 0;
const factFrom: usize = 4;
const factFound: usize = 8;
const factStart: usize = 16;
const factEnd: usize = 20;
const factInteger: usize = 24;
const factSize: usize = 32;

// A condition, four words: the fact, the test, and two operands. Conditions end with the fact 0.
const conditionFact: usize = 0;
const conditionAsks: usize = 4;
/** The bounds of a range; the address and the length of a list of values, or of all values but those. */
const conditionFirst: usize = 8;
const conditionLast: usize = 12;
const conditionSize: usize = 16;
// Tests.
const present: u32 = 0;
const absent: u32 = 1;
const inRange: u32 = 2;
const notInList: u32 = 4;

// An item of a list, 16 bytes: `Found.String` or `Found.Integer`, the size of a string, and its address or the integer.
const itemFound: usize = 0;
const itemSize: usize = 4;
const itemValue: usize = 8;
const sizeOfItem: usize = 16;

export function findFacts(): void {
  const last = header(Header.FactsEnd);
  for (let fact = header(Header.Facts); fact < last; fact += factSize) {
    const entry = find(load<u32>(fact, factFrom));
    const found = entry === 0 ? Found.Nothing : convert(load<u32>(fact, factConversion), entry);
    store<u32>(fact, found, factFound);
    if (found === Found.String) store<u64>(fact, <u64>start | ((<u64>end) << 32), factStart);
    else store<i64>(fact, integer, factInteger);
  }
}

/** @param conditions their address, 0 for none. */
export function areMet(conditions: usize): bool {
  if (conditions === 0) return true;
  for (let condition = conditions; load<u32>(condition, conditionFact) !== 0; condition += conditionSize) {
    if (!isMet(condition)) return false;
  }
  return true;
}

function isMet(condition: usize): bool {
  const fact: usize = load<u32>(condition, conditionFact);
  const asks = load<u32>(condition, conditionAsks);
  const found = load<u32>(fact, factFound);
  if (asks === present) return found !== Found.Nothing;
  if (asks === absent) return found === Found.Nothing;
  const first = load<u32>(condition, conditionFirst);
  const last = load<u32>(condition, conditionLast);
  if (asks === inRange) {
    const value = load<i64>(fact, factInteger);
    return found === Found.Integer && value >= <i64>first && value <= <i64>last;
  }
  return isIn(first, last, fact) !== (asks === notInList);
}

function isIn(list: usize, count: u32, fact: usize): bool {
  const found = load<u32>(fact, factFound);
  if (found === Found.Integer) return isIntegerIn(list, count, load<i64>(fact, factInteger));
  // An absent value equals an empty string.
  if (found === Found.Nothing) return isStringIn(list, count, 0, 0);
  return found === Found.String && isStringIn(list, count, load<u32>(fact, factStart), load<u32>(fact, factEnd));
}

function isIntegerIn(list: usize, count: u32, value: i64): bool {
  for (let item = list; item < list + <usize>count * sizeOfItem; item += sizeOfItem) {
    if (load<u32>(item, itemFound) === Found.Integer && load<i64>(item, itemValue) === value) return true;
  }
  return false;
}

function isStringIn(list: usize, count: u32, from: usize, to: usize): bool {
  const size = <u32>(to - from);
  for (let item = list; item < list + <usize>count * sizeOfItem; item += sizeOfItem) {
    if (load<u32>(item, itemFound) !== Found.String || load<u32>(item, itemSize) !== size) continue;
    if (isEqual(load<u32>(item, itemValue), from, size)) return true;
  }
  return false;
}

/** The string that names the service of the record; 0 if none does. */
export let serviceStart: usize = 0;
export let serviceEnd: usize = 0;

export function findService(): void {
  serviceStart = 0;
  serviceEnd = 0;
  const entry = find(header(Header.ServiceSlots));
  if (entry === 0) return;
  const kind = kindOf(entry);
  if (kind === Kind.String) {
    serviceStart = startOf(entry);
    serviceEnd = endOf(entry);
  } else if (kind === Kind.EscapedString) {
    serviceStart = plainStart(entry);
    serviceEnd = plainEnd(entry);
  }
}

/** Whether redaction has rules for this service. A record that names none may belong to any. */
export function hasServiceRules(): bool {
  return (
    serviceStart === 0 ||
    isStringIn(header(Header.Services), <u32>header(Header.ServiceCount), serviceStart, serviceEnd)
  );
}
