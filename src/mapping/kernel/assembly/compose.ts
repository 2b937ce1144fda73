// Composes the log record: one program of rules for a mapping, whatever the record.

import { convert, findUnixMs } from './conversions';
import { areMet, findFacts } from './facts';
import { forgetIdentities } from './identities';
import { writeMap } from './maps';
import {
  Answer,
  answer,
  copy,
  Header,
  header,
  identitiesAt,
  identityMax,
  isEqual,
  lacksRoom,
  recordAt,
  recordLimit,
} from './memory';
import * as protobuf from './protobuf';
import { skipBlanks } from './scan';
import { find } from './slots';
import { endOf, Kind, kindOf, nextOf, plainEnd, plainStart, startOf } from './tape';
import { end, Found, findTextOf, integer, start } from './values';

// A rule, in 12 words.
/** The number of a conversion (values.ts), or one of those that follow. */
const ruleDoes: usize = 0;
const toMap: u32 = 100;
const toConstant: u32 = 101;
const endOfRules: u32 = 102;
const ruleFrom: usize = 4;
const ruleKey: usize = 8;
const ruleKeySize: usize = 12;
/** Of a text: what is longer is cut. Of a map: see `writeMap`. */
const ruleBytesMax: usize = 16;
/** The first rule of the next attribute: of the rules of one attribute, the first that gives something counts. */
const ruleNext: usize = 20;
const ruleConditions: usize = 24;
/** The encoded attribute that marks a cut; 0 for the one of the record. */
const ruleFlag: usize = 28;
const ruleFlagSize: usize = 32;
/** The encoded constant. Of a map: leaves, and depth with `distinct` as its highest bit. */
const rulePart: usize = 36;
const rulePartSize: usize = 40;
const ruleSize: usize = 48;

const distinct: u32 = 0x8000_0000;

/** Of everything in a record that is not an attribute and not the body. */
const headMax: usize = 4096;
/** A byte of JSON becomes less than so many of protobuf: `-1,` takes 14. */
const growthMax: usize = 8;

let observedMs: f64 = 0;
let wasCut: bool = false;
/** The resource attributes of the record. */
let identity: usize = 0;
let identityEnd: usize = 0;

/** Of the records that follow. */
export function setObservedTime(timeMs: f64): void {
  observedMs = timeMs;
}

/** The rooms have moved. */
export function forgetResource(): void {
  identity = identitiesAt;
  identityEnd = 0;
}

// What is at `Header.RecordEnds`, for parsed records and, 32 bytes behind it, for unparsed ones: the encoded end of a record and its size, the
// encoded severity and its size (parsed records have rules for it), the entry of the event name, and entries of reasons.
const endPart: usize = 0;
const endPartSize: usize = 4;
const endSeverity: usize = 8;
const endSeveritySize: usize = 12;
const endEventName: usize = 16;
const endNoTimestamp: usize = 20;
const endTimestampRange: usize = 24;
const sizeOfEnd: usize = 32;

/** @returns the time of the record in milliseconds; 0 for one without, which is unparsed. */
export function composeRecord(body: usize, bodySize: usize): f64 {
  const timestamp = find(header(Header.TimestampSlots));
  const isTimed = timestamp !== 0 && findUnixMs(timestamp);
  const timeMs = isTimed ? integer : 0;
  const ends = isTimed ? header(Header.RecordEnds) : header(Header.RecordEnds) + sizeOfEnd;
  const reason = timestamp === 0 ? load<u32>(ends, endNoTimestamp) : load<u32>(ends, endTimestampRange);
  store<u32>(header(Header.ReasonSlot), isTimed ? 0 : reason);
  compose(timeMs, ends, header(Header.RecordRules), body, bodySize);
  return <f64>timeMs;
}

/** For a line that is no record. */
export function composeUnparsed(reason: usize, body: usize, bodySize: usize): void {
  store<u32>(header(Header.ReasonSlot), <u32>reason);
  compose(0, header(Header.RecordEnds) + sizeOfEnd, header(Header.LineRules), body, bodySize);
}

function compose(timeMs: i64, ends: usize, rules: usize, body: usize, bodySize: usize): void {
  store<u32>(header(Header.EventNameSlot), load<u32>(ends, endEventName));
  forgetIdentities();
  findFacts();
  findResource();
  // In front of the content is room for the tag and the length of the record, which is known last.
  const content = recordAt + 16;
  protobuf.setOut(content);
  wasCut = false;
  if (!hasRoomFor(bodySize)) return;
  if (timeMs !== 0) {
    protobuf.writeByte(0x09);
    protobuf.writeFixed64(<u64>timeMs * 1_000_000);
  }
  if (timeMs !== 0) writeSeverity();
  else protobuf.writeBytes(load<u32>(ends, endSeverity), load<u32>(ends, endSeveritySize));
  protobuf.writeByte(0x2a);
  protobuf.writeVarint(1 + protobuf.varintSize(bodySize) + bodySize);
  protobuf.writeByte(protobuf.textTag);
  protobuf.writeVarint(bodySize);
  protobuf.writeBytes(body, bodySize);
  writeAttributes(rules);
  if (!hasRoomFor(header(Header.FlagSize) + load<u32>(ends, endPartSize))) return;
  if (wasCut) protobuf.writeBytes(header(Header.Flag), header(Header.FlagSize));
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

function hasRoomFor(size: usize): bool {
  if (protobuf.out + size + headMax <= recordLimit) return true;
  lacksRoom();
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
  if (hasRoomFor(load<u32>(rule, rulePartSize)))
    protobuf.writeBytes(load<u32>(rule, rulePart), load<u32>(rule, rulePartSize));
  return true;
}

function writeFrom(rule: usize, does: u32): bool {
  const entry = find(load<u32>(rule, ruleFrom));
  if (entry === 0 || !areMet(load<u32>(rule, ruleConditions))) return false;
  if (does === toMap) return writeMapOf(rule, entry);
  const found = convert(does, entry);
  if (found === Found.Nothing) return false;
  const key: usize = load<u32>(rule, ruleKey);
  const keySize: usize = load<u32>(rule, ruleKeySize);
  if (!hasRoomFor(keySize + (found === Found.Text ? end - start : 0) + load<u32>(rule, ruleFlagSize))) return true;
  if (found === Found.Text) writeFoundText(rule, key, keySize);
  else if (found === Found.Integer) protobuf.writeInteger(protobuf.attributeTag, key, keySize, integer);
  else protobuf.writeBoolean(protobuf.attributeTag, key, keySize, integer !== 0);
  return true;
}

/** Cuts the text at a character when it is too long. */
function writeFoundText(rule: usize, key: usize, keySize: usize): void {
  const size = cutSize(load<u32>(rule, ruleBytesMax));
  protobuf.writeText(protobuf.attributeTag, key, keySize, start, size);
  if (size !== end - start) writeFlag(rule);
}

/** How many bytes of the text that was found are whole characters and not more than so many bytes. */
function cutSize(bytesMax: usize): usize {
  let size = end - start;
  if (size <= bytesMax) return size;
  size = bytesMax;
  while (size > 0 && (load<u8>(start + size) & 0xc0) === 0x80) size--;
  return size;
}

function writeFlag(rule: usize): void {
  const flag: usize = load<u32>(rule, ruleFlag);
  if (flag === 0) wasCut = true;
  else protobuf.writeBytes(flag, load<u32>(rule, ruleFlagSize));
}

/** Of an object, or of one in a text. */
function writeMapOf(rule: usize, entry: usize): bool {
  const kind = kindOf(entry);
  let object = entry;
  if (kind === Kind.Text || kind === Kind.EscapedText) {
    object = nextOf(entry);
    if (object === 0) return isEmptyObject(entry, kind);
  } else if (kind !== Kind.Object) {
    return false;
  }
  const key: usize = load<u32>(rule, ruleKey);
  const keySize: usize = load<u32>(rule, ruleKeySize);
  const jsonSize = endOf(object) - startOf(object);
  if (!hasRoomFor(keySize + growthMax * jsonSize + load<u32>(rule, ruleFlagSize))) return true;
  const depth = load<u32>(rule, rulePartSize);
  const areNamesDistinct = (depth & distinct) !== 0;
  const isComplete = writeMap(
    protobuf.attributeTag,
    key,
    keySize,
    object,
    load<u32>(rule, rulePart),
    load<u32>(rule, ruleBytesMax),
    depth & ~distinct,
    areNamesDistinct,
  );
  if (!isComplete) writeFlag(rule);
  return true;
}

/** A text without quotes may still be an object: `{}`. */
function isEmptyObject(entry: usize, kind: Kind): bool {
  const first: usize = kind === Kind.Text ? startOf(entry) : plainStart(entry);
  const last: usize = kind === Kind.Text ? endOf(entry) : plainEnd(entry);
  const open = skipBlanks(first);
  if (open >= last || load<u8>(open) !== 0x7b) return false;
  const close = skipBlanks(open + 1);
  return close < last && load<u8>(close) === 0x7d && skipBlanks(close + 1) >= last;
}

/** Finds the resource attributes that come from the record, each as its size and text, and whether they are those of the record before. */
function findResource(): void {
  const before = identity;
  const sizeBefore = identityEnd - identity;
  identity = identity === identitiesAt ? identitiesAt + identityMax + 64 : identitiesAt;
  let at = identity;
  for (let rule = header(Header.ResourceRules); load<u32>(rule, ruleDoes) !== endOfRules; rule += ruleSize) {
    const entry = find(load<u32>(rule, ruleFrom));
    let size: usize = 0;
    if (entry !== 0 && findTextOf(convert(load<u32>(rule, ruleDoes), entry))) {
      size = cutSize(load<u32>(rule, ruleBytesMax));
    }
    if (at + 4 + size > identity + identityMax) {
      lacksRoom();
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
