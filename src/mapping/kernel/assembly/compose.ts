// Composes the log record by running the program of the mapping, which is the same for all records.

import { convert } from './conversions';
import { areMet, findFacts } from './facts';
import { resetIdentities } from './identities';
import * as layout from './layout';
import { Answer, answer, copy, Header, header, isEqual, overflow } from './layout';
import { writeList, writeMap } from './maps';
import * as protobuf from './protobuf';
import { find } from './slots';
import { embeddedIn, endOf, Kind, kindOf, plainEnd, plainStart, startOf } from './tape';
import { findTime, isNumber, setEventTime } from './times';
import { skipBlanks } from './tokens';
import { end, Found, findStringOf, integer, start } from './values';

// A rule, 12 words.
/** A `Conversion`, or one of the numbers below. */
const ruleDoes: usize = 0;
const toMap: u32 = 100;
const toConstant: u32 = 101;
const endOfRules: u32 = 102;
const toList: u32 = 103;
const ruleFrom: usize = 4;
const ruleKey: usize = 8;
const ruleKeySize: usize = 12;
/** The limit at which a string is truncated; for maps see `writeMap`. */
const ruleBytesMax: usize = 16;
/** The first rule of the next attribute, for when this rule wrote the current one. */
const ruleNext: usize = 20;
const ruleConditions: usize = 24;
/** The encoded attribute that marks truncation; 0 for the flag of the record. */
const ruleFlag: usize = 28;
const ruleFlagSize: usize = 32;
/** The encoded constant; for maps, the limits of leaves and depth. */
const rulePart: usize = 36;
const rulePartSize: usize = 40;
/** The keys that a map keeps, 0 for none. */
const ruleKept: usize = 44;
const ruleSize: usize = 48;

/** Bounds everything in a record but its attributes, its body and constants. */
const headMax: usize = 4096;
/** Bytes of protobuf per byte of JSON: `-1,` becomes 14 bytes. */
const growthMax: usize = 8;

let observedMs: f64 = 0;
let wasTruncated: bool = false;
/** The resource attributes of the record. */
let identity: usize = 0;
let identityEnd: usize = 0;

/** For the records that follow. */
export function setObservedTime(timeMs: f64): void {
  observedMs = timeMs;
}

/** The buffers have moved. */
export function resetResource(): void {
  identity = layout.identitiesAt;
  identityEnd = 0;
}

// What `Header.RecordEnds` locates, for parsed and, after them, for unparsed records: the encoded end of the record, the encoded severity
// (parsed records have rules instead), the entry of the event name, and the entries of the reasons for an unusable timestamp.
const endPart: usize = 0;
const endPartSize: usize = 4;
const endSeverity: usize = 8;
const endSeveritySize: usize = 12;
const endEventName: usize = 16;
const endNoTimestamp: usize = 20;
const endTimestampRange: usize = 24;
const endTimestampText: usize = 28;
const endEnvelope: usize = 32;
const sizeOfEnd: usize = 36;

/** @returns the timestamp in milliseconds; 0 for a record without one, which counts as unparsed. */
export function composeRecord(body: usize, bodySize: usize): f64 {
  const timestamp = find(header(Header.TimestampSlots));
  const isTimed = timestamp !== 0 && findTime(timestamp);
  const timeNs = isTimed ? integer : 0;
  const timeMs = timeNs / 1_000_000;
  setEventTime(timeMs);
  const ends = isTimed ? header(Header.RecordEnds) : header(Header.RecordEnds) + sizeOfEnd;
  setReason(isTimed ? 0 : load<u32>(ends + reasonWithoutTime(timestamp)));
  compose(timeNs, ends, header(Header.RecordRules), body, bodySize);
  return <f64>timeMs;
}

/** @param timestamp an entry that holds no time, 0 without one. */
function reasonWithoutTime(timestamp: usize): usize {
  if (timestamp !== 0) return isNumber(timestamp) ? endTimestampRange : endTimestampText;
  const records = find(header(Header.EnvelopeSlots));
  return records !== 0 && kindOf(records) === Kind.Array ? endEnvelope : endNoTimestamp;
}

/** For a line that is not a record. */
export function composeUnparsed(reason: usize, body: usize, bodySize: usize): void {
  setReason(reason);
  compose(0, header(Header.RecordEnds) + sizeOfEnd, header(Header.LineRules), body, bodySize);
}

/** @param reason the entry of the reason why the record is unparsed, or 0. */
function setReason(reason: usize): void {
  store<u32>(header(Header.ReasonSlot), <u32>reason);
  answer(Answer.UnparsedReason, reason);
}

function compose(timeNs: i64, ends: usize, rules: usize, body: usize, bodySize: usize): void {
  store<u32>(header(Header.EventNameSlot), load<u32>(ends, endEventName));
  resetIdentities();
  findFacts();
  findResource();
  // The tag and the length of the record go before its content, once the length is known.
  const content = layout.recordAt + 16;
  protobuf.setOut(content);
  wasTruncated = false;
  if (!hasSpaceFor(bodySize)) return;
  if (timeNs !== 0) {
    protobuf.writeByte(0x09);
    protobuf.writeFixed64(<u64>timeNs);
  }
  if (timeNs !== 0) writeSeverity();
  else protobuf.writeBytes(load<u32>(ends, endSeverity), load<u32>(ends, endSeveritySize));
  protobuf.writeByte(0x2a);
  protobuf.writeVarint(1 + protobuf.varintSize(bodySize) + bodySize);
  protobuf.writeByte(protobuf.stringTag);
  protobuf.writeVarint(bodySize);
  protobuf.writeBytes(body, bodySize);
  writeAttributes(rules);
  if (!hasSpaceFor(header(Header.FlagSize) + load<u32>(ends, endPartSize))) return;
  if (wasTruncated) protobuf.writeBytes(header(Header.Flag), header(Header.FlagSize));
  protobuf.writeByte(0x59);
  protobuf.writeFixed64(<u64>observedMs * 1_000_000);
  protobuf.writeBytes(load<u32>(ends, endPart), load<u32>(ends, endPartSize));
  const recordEnd = protobuf.out;
  const size = recordEnd - content;
  protobuf.setOut(content - protobuf.varintSize(size) - 1);
  answer(Answer.RecordStart, protobuf.out);
  answer(Answer.RecordEnd, recordEnd);
  protobuf.writeByte(0x12);
  protobuf.writeVarint(size);
}

function hasSpaceFor(size: usize): bool {
  if (protobuf.out + size + headMax <= layout.recordLimit) return true;
  overflow();
  return false;
}

function writeSeverity(): void {
  let rule = header(Header.SeverityRules);
  while (load<u32>(rule, ruleDoes) !== endOfRules && !areMet(load<u32>(rule, ruleConditions))) rule += ruleSize;
  protobuf.writeBytes(load<u32>(rule, rulePart), load<u32>(rule, rulePartSize));
}

function writeAttributes(rules: usize): void {
  let rule = rules;
  while (true) {
    const does = load<u32>(rule, ruleDoes);
    if (does === endOfRules) return;
    const isWritten = does === toConstant ? writeConstant(rule) : writeFrom(rule, does);
    rule = isWritten ? <usize>load<u32>(rule, ruleNext) : rule + ruleSize;
  }
}

function writeConstant(rule: usize): bool {
  if (!areMet(load<u32>(rule, ruleConditions))) return false;
  if (hasSpaceFor(load<u32>(rule, rulePartSize)))
    protobuf.writeBytes(load<u32>(rule, rulePart), load<u32>(rule, rulePartSize));
  return true;
}

function writeFrom(rule: usize, does: u32): bool {
  const entry = find(load<u32>(rule, ruleFrom));
  if (entry === 0 || !areMet(load<u32>(rule, ruleConditions))) return false;
  if (does === toMap) return writeMapOf(rule, entry);
  if (does === toList) return writeListOf(rule, entry);
  const found = convert(does, entry);
  if (found === Found.Nothing) return false;
  const key: usize = load<u32>(rule, ruleKey);
  const keySize: usize = load<u32>(rule, ruleKeySize);
  if (!hasSpaceFor(keySize + (found === Found.String ? end - start : 0) + load<u32>(rule, ruleFlagSize))) return true;
  if (found === Found.String) writeFoundString(rule, key, keySize);
  else if (found === Found.Integer) protobuf.writeInteger(protobuf.attributeTag, key, keySize, integer);
  else protobuf.writeBoolean(protobuf.attributeTag, key, keySize, integer !== 0);
  return true;
}

/** Truncates a string that exceeds the limit. */
function writeFoundString(rule: usize, key: usize, keySize: usize): void {
  const size = truncatedSize(load<u32>(rule, ruleBytesMax));
  protobuf.writeString(protobuf.attributeTag, key, keySize, start, size);
  if (size !== end - start) writeFlag(rule);
}

/** The size of the string found last, truncated to whole characters within the limit. */
function truncatedSize(bytesMax: usize): usize {
  let size = end - start;
  if (size <= bytesMax) return size;
  size = bytesMax;
  while (size > 0 && (load<u8>(start + size) & 0xc0) === 0x80) size--;
  return size;
}

function writeFlag(rule: usize): void {
  const flag: usize = load<u32>(rule, ruleFlag);
  if (flag === 0) wasTruncated = true;
  else protobuf.writeBytes(flag, load<u32>(rule, ruleFlagSize));
}

/** Writes an object, or the object embedded in a string. */
function writeMapOf(rule: usize, entry: usize): bool {
  const kind = kindOf(entry);
  let object = entry;
  if (kind === Kind.String || kind === Kind.EscapedString) {
    object = embeddedIn(entry);
    if (object === 0) return isEmptyObject(entry, kind);
  } else if (kind !== Kind.Object) {
    return false;
  }
  const key: usize = load<u32>(rule, ruleKey);
  const keySize: usize = load<u32>(rule, ruleKeySize);
  const jsonSize = endOf(object) - startOf(object);
  if (!hasSpaceFor(keySize + growthMax * jsonSize + load<u32>(rule, ruleFlagSize))) return true;
  const leaves = load<u32>(rule, rulePart);
  const isComplete = writeMap(
    key,
    keySize,
    object,
    leaves,
    load<u32>(rule, ruleBytesMax),
    load<u32>(rule, rulePartSize),
    load<u32>(rule, ruleKept),
  );
  if (!isComplete) writeFlag(rule);
  return true;
}

/** Writes an array with everything in it, or, if that exceeds the limit, only the flag. */
function writeListOf(rule: usize, entry: usize): bool {
  if (kindOf(entry) !== Kind.Array) return false;
  const key: usize = load<u32>(rule, ruleKey);
  const keySize: usize = load<u32>(rule, ruleKeySize);
  if (!hasSpaceFor(keySize + growthMax * (endOf(entry) - startOf(entry)) + load<u32>(rule, ruleFlagSize))) return true;
  if (!writeList(key, keySize, entry, load<u32>(rule, ruleBytesMax), load<u32>(rule, rulePartSize))) writeFlag(rule);
  return true;
}

/** A string without quotes can still embed an object: `{}`. */
function isEmptyObject(entry: usize, kind: Kind): bool {
  const first: usize = kind === Kind.String ? startOf(entry) : plainStart(entry);
  const last: usize = kind === Kind.String ? endOf(entry) : plainEnd(entry);
  const open = skipBlanks(first);
  if (open >= last || load<u8>(open) !== 0x7b) return false;
  const close = skipBlanks(open + 1);
  return close < last && load<u8>(close) === 0x7d && skipBlanks(close + 1) >= last;
}

/** Finds the resource attributes, each as its size and string, and whether they equal those of the previous record. */
function findResource(): void {
  const before = identity;
  const sizeBefore = identityEnd - identity;
  identity =
    identity === layout.identitiesAt ? layout.identitiesAt + layout.identityMax + layout.padding : layout.identitiesAt;
  let at = identity;
  let rule = header(Header.ResourceRules);
  while (load<u32>(rule, ruleDoes) !== endOfRules) {
    const next: usize = load<u32>(rule, ruleNext);
    let size: usize = 0;
    for (; size === 0 && rule < next; rule += ruleSize) {
      const entry = find(load<u32>(rule, ruleFrom));
      if (entry !== 0 && findStringOf(convert(load<u32>(rule, ruleDoes), entry))) {
        size = truncatedSize(load<u32>(rule, ruleBytesMax));
      }
    }
    rule = next;
    if (at + 4 + size > identity + layout.identityMax) {
      overflow();
      return;
    }
    copy(at + 4, start, size);
    store<u32>(at, <u32>size);
    at += 4 + size;
  }
  const isNew = identityEnd === 0 || at - identity !== sizeBefore || !isEqual(identity, before, sizeBefore);
  identityEnd = at;
  answer(Answer.IsNewResource, isNew ? 1 : 0);
  answer(Answer.IdentityStart, identity);
  answer(Answer.IdentityEnd, identityEnd);
}
