// Runs the program of a plan: writes the attributes of a record as the wire format of protobuf has them (opentelemetry-proto, common/v1
// and logs/v1). What a program cannot do, and what is unusual about a record, is left to the agent.
import { cellOf, partAt, partSize } from './derivations';
import { composedAt, composedEndAnswer, composedSize, copy, digestAt, missedCellAnswer } from './memory';
import {
  entryEnd,
  entryKeyEnd,
  entryKeyHasEscapes,
  entryKeyStart,
  entryKind,
  entryNext,
  entryShift,
  entryStart,
  ofArray,
  ofEmptyText,
  ofEscapedText,
  ofInteger,
  ofNull,
  ofNumber,
  ofObject,
  ofText,
  ofTrue,
} from './scan';

// An instruction, in eight words: its code, and what it works on. The agent writes them; see program.ts.
const end: u32 = 0;
const copyText: u32 = 1;
const copyDerived: u32 = 2;
const copyMap: u32 = 3;
const copyEscapedText: u32 = 4;
const copyDigest: u32 = 5;
const instructionSize: usize = 32;

/** LogRecord.attributes = 6 */
const attributeTag: u8 = 0x32;
/** KeyValueList.values = 1 and ArrayValue.values = 1 */
const entryTag: u8 = 0x0a;
/** KeyValue.key = 1, KeyValue.value = 2 */
const keyTag: u8 = 0x0a;
const valueTag: u8 = 0x12;
/** AnyValue: string_value = 1, bool_value = 2, int_value = 3, array_value = 5, kvlist_value = 6 */
const textTag: u8 = 0x0a;
const booleanTag: u8 = 0x10;
const integerTag: u8 = 0x18;
const arrayTag: u8 = 0x2a;
const mapTag: u8 = 0x32;

/** All that stands in front of the content of an entry, without its key. */
const headerMax: usize = 32;
/** One instruction writes less. */
const instructionMax: usize = composedSize / 2;

let line: usize = 0;
let tape: usize = 0;
/** Where the next byte goes. */
let out: usize = 0;
let leavesLeft: u32 = 0;
let depthMax: u32 = 0;

/**
 * Composes from an instruction on, into the room for composed bytes; the answers say where they end.
 * @returns the instruction that is left to the agent, after which it may go on; 0 at the end of the program.
 */
export function compose(lineAt: usize, tapeAt: usize, first: usize): usize {
  line = lineAt;
  tape = tapeAt;
  out = composedAt;
  store<u32>(missedCellAnswer, 0);
  let instruction = first;
  while (out < composedAt + instructionMax) {
    const before = out;
    const code = load<u32>(instruction);
    if (code === end) {
      instruction = 0;
      break;
    }
    if (!run(code, instruction)) {
      out = before;
      break;
    }
    instruction += instructionSize;
  }
  store<u32>(composedEndAnswer, <u32>out);
  return instruction;
}

function run(code: u32, instruction: usize): bool {
  if (code === copyText) return runCopy(instruction);
  if (code === copyDerived) return runDerived(instruction);
  if (code === copyMap) return runMap(instruction);
  if (code === copyEscapedText) return runEscapedCopy(instruction);
  return code === copyDigest ? runDigest(instruction) : false;
}

/** Words: entry, where the key begins, its size, the largest size of a text. */
function runCopy(instruction: usize): bool {
  const entry = entryOf(load<u32>(instruction, 4));
  const size = sizeOf(entry);
  if (size > load<u32>(instruction, 16)) return false;
  writeText(attributeTag, load<u32>(instruction, 8), load<u32>(instruction, 12), startOf(entry), size);
  return true;
}

/** Words: those of a copy. */
function runEscapedCopy(instruction: usize): bool {
  const entry = entryOf(load<u32>(instruction, 4));
  const bytesMax = load<u32>(instruction, 16);
  // What it means is never longer than it is.
  if (sizeOf(entry) > instructionMax / 2) return false;
  const key = load<u32>(instruction, 8);
  const keySize = load<u32>(instruction, 12);
  const last = line + load<u32>(entry, entryEnd);
  return writeEscapedText(attributeTag, key, keySize, startOf(entry), last) <= bytesMax;
}

/** Words: none, where the key begins, its size. */
function runDigest(instruction: usize): bool {
  const size = load<u32>(digestAt);
  if (size === 0) return false;
  writeText(attributeTag, load<u32>(instruction, 8), load<u32>(instruction, 12), digestAt + 16, size);
  return true;
}

/** Words: the cells of the derivation, the entries of its values. */
function runDerived(instruction: usize): bool {
  const cells = load<u32>(instruction, 4);
  const cell = cellOf(line, tape, cells, load<u32>(instruction, 8), load<u32>(instruction, 12));
  const part: usize = cell === 0 ? 0 : load<u32>(cell, partAt);
  if (part === 0) {
    store<u32>(missedCellAnswer, <u32>cell);
    return false;
  }
  const size = load<u32>(cell, partSize);
  copy(out, part, size);
  out += size;
  return true;
}

/** Words: entry, where the key begins, its size, the largest size of the object as JSON, of its leaves, and its depth. */
function runMap(instruction: usize): bool {
  const entry = entryOf(load<u32>(instruction, 4));
  if (sizeOf(entry) > load<u32>(instruction, 16)) return false;
  leavesLeft = load<u32>(instruction, 20);
  depthMax = load<u32>(instruction, 24);
  return writeContainer(attributeTag, load<u32>(instruction, 8), load<u32>(instruction, 12), entry, 1, false);
}

// What follows returns false when something of the value is left to the agent.

function writeContainer(tag: u8, key: usize, keySize: usize, entry: usize, depth: u32, isInArray: bool): bool {
  const start = out;
  const content = start + headerMax + keySize;
  out = content;
  const isArray = load<u32>(entry, entryKind) === ofArray;
  const last = entryOf(load<u32>(entry, entryNext));
  for (let inner = entry + (1 << entryShift); inner < last; inner = behind(inner)) {
    if (!writeInner(inner, isArray, depth, isInArray)) return false;
  }
  const size = out - content;
  out = start;
  // One in which nothing was written leaves no trace, its key included.
  if (size === 0) return true;
  writeHeader(tag, key, keySize, 1 + varintSize(size) + size);
  writeByte(isArray ? arrayTag : mapTag);
  writeVarint(size);
  copy(out, content, size);
  out += size;
  return true;
}

function writeInner(entry: usize, isOfArray: bool, depth: u32, isInArray: bool): bool {
  const kind = load<u32>(entry, entryKind);
  if (kind === ofNull || kind === ofEmptyText) return true;
  if (kind >= ofObject && depth >= depthMax) return false;
  let key: usize = 0;
  let keySize: usize = 0;
  if (!isOfArray) {
    key = line + load<u32>(entry, entryKeyStart);
    keySize = load<u32>(entry, entryKeyEnd) - load<u32>(entry, entryKeyStart);
    if (keySize === 0 || load<u32>(entry, entryKeyHasEscapes) !== 0) return false;
    if (!isInArray && kind !== ofObject && leavesLeft-- === 0) return false;
  }
  if (kind === ofText) {
    writeText(entryTag, key, keySize, startOf(entry), sizeOf(entry));
    return true;
  }
  if (kind >= ofObject) {
    return writeContainer(entryTag, key, keySize, entry, depth + 1, isInArray || kind === ofArray);
  }
  if (kind === ofEscapedText) {
    writeEscapedText(entryTag, key, keySize, startOf(entry), line + load<u32>(entry, entryEnd));
    return true;
  }
  if (kind === ofNumber) return false;
  if (kind === ofInteger) {
    writeInteger(key, keySize, integerOf(entry));
    return true;
  }
  writeHeader(entryTag, key, keySize, 2);
  writeByte(booleanTag);
  writeByte(<u8>(kind === ofTrue));
  return true;
}

function writeInteger(key: usize, keySize: usize, value: i64): void {
  writeHeader(entryTag, key, keySize, 1 + varint64Size(value));
  writeByte(integerTag);
  let rest: u64 = value;
  for (; rest > 0x7f; rest >>= 7) writeByte(<u8>(rest & 0x7f) | 0x80);
  writeByte(<u8>rest);
}

function integerOf(entry: usize): i64 {
  let at = startOf(entry);
  const last = line + load<u32>(entry, entryEnd);
  const isNegative = load<u8>(at) === 0x2d;
  if (isNegative) at++;
  let value: i64 = 0;
  for (; at < last; at++) value = value * 10 + load<u8>(at) - 0x30;
  return isNegative ? -value : value;
}

function writeText(tag: u8, key: usize, keySize: usize, start: usize, size: usize): void {
  writeHeader(tag, key, keySize, 1 + varintSize(size) + size);
  writeByte(textTag);
  writeVarint(size);
  copy(out, start, size);
  out += size;
}

/** Returns the size of the text. */
function writeEscapedText(tag: u8, key: usize, keySize: usize, start: usize, last: usize): usize {
  const begin = out;
  const content = begin + headerMax + keySize;
  const size = unescapeTo(content, start, last) - content;
  out = begin;
  writeHeader(tag, key, keySize, 1 + varintSize(size) + size);
  writeByte(textTag);
  writeVarint(size);
  copy(out, content, size);
  out += size;
  return size;
}

/** What the escapes mean, in UTF-8; lone surrogates become U+FFFD. Returns where it ends. */
export function unescapeTo(to: usize, start: usize, last: usize): usize {
  let at = start;
  let result = to;
  while (at < last) {
    const byte = load<u8>(at);
    if (byte !== 0x5c) {
      store<u8>(result++, byte);
      at++;
      continue;
    }
    const letter = load<u8>(at + 1);
    at += 2;
    if (letter !== 0x75) {
      store<u8>(result++, meaningOf(letter));
      continue;
    }
    let code = codeUnitAt(at);
    at += 4;
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 && at + 6 <= last && load<u16>(at) === 0x755c ? codeUnitAt(at + 2) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else {
        code = 0xfffd;
      }
    }
    result = storeCodePoint(result, code);
  }
  return result;
}

function meaningOf(letter: u8): u8 {
  switch (letter) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default:
      return letter;
  }
}

function codeUnitAt(at: usize): u32 {
  let code: u32 = 0;
  for (let digit = at; digit < at + 4; digit++) {
    const byte: u32 = load<u8>(digit);
    code = (code << 4) | (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
  }
  return code;
}

function storeCodePoint(at: usize, code: u32): usize {
  if (code < 0x80) {
    store<u8>(at, <u8>code);
    return at + 1;
  }
  if (code < 0x800) {
    store<u8>(at, <u8>(0xc0 | (code >> 6)));
    store<u8>(at + 1, <u8>(0x80 | (code & 0x3f)));
    return at + 2;
  }
  if (code < 0x10000) {
    store<u8>(at, <u8>(0xe0 | (code >> 12)));
    store<u8>(at + 1, <u8>(0x80 | ((code >> 6) & 0x3f)));
    store<u8>(at + 2, <u8>(0x80 | (code & 0x3f)));
    return at + 3;
  }
  store<u8>(at, <u8>(0xf0 | (code >> 18)));
  store<u8>(at + 1, <u8>(0x80 | ((code >> 12) & 0x3f)));
  store<u8>(at + 2, <u8>(0x80 | ((code >> 6) & 0x3f)));
  store<u8>(at + 3, <u8>(0x80 | (code & 0x3f)));
  return at + 4;
}

/** What stands in front of an AnyValue. An element of an array has no KeyValue; the size of its key is 0. */
function writeHeader(tag: u8, key: usize, keySize: usize, anyValueSize: usize): void {
  writeByte(tag);
  if (keySize > 0) {
    const keyFieldSize: usize = varintSize(keySize) + keySize + 1;
    const valueFieldSize: usize = varintSize(anyValueSize) + anyValueSize + 1;
    writeVarint(keyFieldSize + valueFieldSize);
    writeByte(keyTag);
    writeVarint(keySize);
    copy(out, key, keySize);
    out += keySize;
    writeByte(valueTag);
  }
  writeVarint(anyValueSize);
}

function writeByte(byte: u8): void {
  store<u8>(out++, byte);
}

function writeVarint(value: usize): void {
  let rest = value;
  for (; rest > 0x7f; rest >>= 7) writeByte(<u8>(rest & 0x7f) | 0x80);
  writeByte(<u8>rest);
}

function varintSize(value: usize): usize {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : value < 0x1000_0000 ? 4 : 5;
}

function varint64Size(value: i64): usize {
  let size: usize = 1;
  for (let rest: u64 = value; rest > 0x7f; rest >>= 7) size++;
  return size;
}

function entryOf(index: u32): usize {
  return tape + ((<usize>index) << entryShift);
}

function startOf(entry: usize): usize {
  return line + load<u32>(entry, entryStart);
}

function sizeOf(entry: usize): usize {
  return load<u32>(entry, entryEnd) - load<u32>(entry, entryStart);
}

/** The entry behind the value and all that is in it. */
function behind(entry: usize): usize {
  const isContainer = load<u32>(entry, entryKind) >= ofObject;
  return isContainer ? entryOf(load<u32>(entry, entryNext)) : entry + (1 << entryShift);
}
