// Renders an encoded record as OTLP/JSON (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding"): 64-bit integers are decimal
// strings, names are lowerCamelCase. Only reads what compose.ts writes.
import { numberText } from './host';
import { Answer, answer, jsonAt, jsonLimit, overflow } from './layout';
import { writeDigits } from './values';

/** Bounds what is written between two checks of the buffer, at strings and values: names, punctuation and a number. */
const gapMax: usize = 256;
/** A control character becomes `\u0001`. */
const escapedMax: usize = 6;

/** The next byte to read. */
let at: usize = 0;
/** Where the next byte goes. */
let to: usize = 0;

/** Answers with the place of the JSON. @param start of the record, with its tag. */
export function renderJson(start: usize, end: usize): void {
  at = start + 1;
  readVarint();
  const content = at;
  let time: usize = 0;
  let observed: usize = 0;
  let severityNumber: usize = 0;
  let severityText: usize = 0;
  let body: usize = 0;
  let eventName: usize = 0;
  while (at < end) {
    const tag = load<u8>(at++);
    if (tag === 0x09) time = at;
    else if (tag === 0x59) observed = at;
    else if (tag === 0x1a) severityText = at;
    else if (tag === 0x2a) body = at;
    else if (tag === 0x62) eventName = at;
    else if (tag === 0x10) severityNumber = at;
    skipValue(tag);
  }
  to = jsonAt;
  write('{');
  if (time !== 0) {
    write('"timeUnixNano":"');
    writeUnsigned(load<u64>(time));
    write('",');
  }
  write('"observedTimeUnixNano":"');
  writeUnsigned(load<u64>(observed));
  write('","severityNumber":');
  at = severityNumber;
  writeUnsigned(readVarint());
  write(',"severityText":');
  writeTextAt(severityText);
  write(',"body":');
  at = body;
  writeValue();
  write(',"attributes":[');
  writeAttributes(content, end);
  write('],"eventName":');
  writeTextAt(eventName);
  write('}');
  answer(Answer.RecordStart, jsonAt);
  answer(Answer.RecordEnd, to);
}

function writeAttributes(content: usize, end: usize): void {
  at = content;
  let isFirst = true;
  while (at < end) {
    const tag = load<u8>(at++);
    if (tag !== 0x32) {
      skipValue(tag);
      continue;
    }
    if (!isFirst) write(',');
    isFirst = false;
    writeKeyValue();
  }
}

/** KeyValue{key = 1, value = 2} */
function writeKeyValue(): void {
  readVarint();
  at++;
  write('{"key":');
  writeText();
  at++;
  write(',"value":');
  writeValue();
  write('}');
}

/** AnyValue{string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5, kvlist_value = 6} */
function writeValue(): void {
  // An array may have any number of values without a string.
  if (to + gapMax > jsonLimit) {
    overflow();
    to = jsonAt;
  }
  readVarint();
  const tag = load<u8>(at++);
  if (tag === 0x0a) {
    write('{"stringValue":');
    writeText();
    write('}');
  } else if (tag === 0x18) {
    write('{"intValue":"');
    writeSigned(<i64>readVarint());
    write('"}');
  } else if (tag === 0x10) {
    if (readVarint() !== 0) write('{"boolValue":true}');
    else write('{"boolValue":false}');
  } else if (tag === 0x21) {
    write('{"doubleValue":');
    to += numberText(load<f64>(at), to);
    at += 8;
    write('}');
  } else if (tag === 0x2a) {
    write('{"arrayValue":{"values":[');
    writeEntries(false);
    write(']}}');
  } else {
    write('{"kvlistValue":{"values":[');
    writeEntries(true);
    write(']}}');
  }
}

function writeEntries(haveKeys: bool): void {
  const size = <usize>readVarint();
  const end = at + size;
  let isFirst = true;
  while (at < end) {
    at++;
    if (!isFirst) write(',');
    isFirst = false;
    if (haveKeys) writeKeyValue();
    else writeValue();
  }
}

/** @param from the length of the string; 0 for an empty string. */
function writeTextAt(from: usize): void {
  if (from === 0) {
    write('""');
    return;
  }
  at = from;
  writeText();
}

/** Writes a string in quotes, as JSON.stringify does. */
function writeText(): void {
  const size = <usize>readVarint();
  const end = at + size;
  if (to + escapedMax * size + gapMax > jsonLimit) {
    overflow();
    to = jsonAt; // What is written is invalid, and must not leave the buffer.
    at = end;
    return;
  }
  write('"');
  while (at < end) {
    const bytes = v128.load(at);
    v128.store(to, bytes);
    const isQuote = i8x16.eq(bytes, i8x16.splat(0x22));
    const isBackslash = i8x16.eq(bytes, i8x16.splat(0x5c));
    const isControl = i8x16.lt_u(bytes, i8x16.splat(0x20));
    const stops = i8x16.bitmask(v128.or(v128.or(isQuote, isBackslash), isControl));
    const passed = min<usize>(stops === 0 ? 16 : ctz(stops), end - at);
    at += passed;
    to += passed;
    if (passed < 16 && at < end) writeEscape(load<u8>(at++));
  }
  write('"');
}

function writeEscape(byte: u8): void {
  if (byte === 0x22) write('\\"');
  else if (byte === 0x5c) write('\\\\');
  else if (byte === 0x0a) write('\\n');
  else if (byte === 0x09) write('\\t');
  else if (byte === 0x0d) write('\\r');
  else if (byte === 0x08) write('\\b');
  else if (byte === 0x0c) write('\\f');
  else {
    write('\\u00');
    writeHexDigit(byte >> 4);
    writeHexDigit(byte & 0x0f);
  }
}

function writeHexDigit(digit: u8): void {
  store<u8>(to++, digit < 10 ? 0x30 + digit : 0x57 + digit);
}

function writeSigned(value: i64): void {
  if (value < 0) write('-');
  writeUnsigned(value < 0 ? <u64>0 - <u64>value : <u64>value);
}

function writeUnsigned(value: u64): void {
  to = writeDigits(to, value);
}

/** Writes ASCII, from the 16 bits of each character to 8. May overwrite up to 15 bytes after it. */
function write(text: string): void {
  const from = changetype<usize>(text);
  for (let index = 0; index < text.length; index += 8) {
    const characters = v128.load(from + 2 * <usize>index);
    v128.store(to + <usize>index, i8x16.narrow_i16x8_u(characters, characters));
  }
  to += <usize>text.length;
}

function readVarint(): u64 {
  let value: u64 = 0;
  let shift: u64 = 0;
  while (true) {
    const byte = <u64>load<u8>(at++);
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
    shift += 7;
  }
}

/** Skips the value of a field of a record. */
function skipValue(tag: u8): void {
  const wireType = tag & 7;
  if (wireType === 1) at += 8;
  else {
    const value = <usize>readVarint();
    if (wireType === 2) at += value;
  }
}
