// Writes protobuf (opentelemetry-proto, common/v1 and logs/v1).
import { copy } from './layout';

/** LogRecord.attributes = 6 */
export const attributeTag: u8 = 0x32;
/** KeyValueList.values = 1 and ArrayValue.values = 1 */
export const entryTag: u8 = 0x0a;
/** AnyValue: string_value = 1, bool_value = 2, int_value = 3, double_value = 4, array_value = 5, kvlist_value = 6 */
export const stringTag: u8 = 0x0a;
const booleanTag: u8 = 0x10;
const integerTag: u8 = 0x18;
const doubleTag: u8 = 0x21;
export const arrayTag: u8 = 0x2a;
export const mapTag: u8 = 0x32;

/** Where the next byte goes. */
export let out: usize = 0;

export function setOut(at: usize): void {
  out = at;
}

export function writeByte(byte: u8): void {
  store<u8>(out++, byte);
}

export function writeBytes(start: usize, size: usize): void {
  copy(out, start, size);
  out += size;
}

export function writeFixed64(value: u64): void {
  store<u64>(out, value);
  out += 8;
}

export function writeVarint(value: u64): void {
  let rest = value;
  for (; rest > 0x7f; rest >>= 7) writeByte(<u8>(rest & 0x7f) | 0x80);
  writeByte(<u8>rest);
}

export function varintSize(value: u64): usize {
  let size: usize = 1;
  for (let rest = value; rest > 0x7f; rest >>= 7) size++;
  return size;
}

/** Everything before an AnyValue. Array elements have no KeyValue; the size of their key is 0. */
export function writeHeader(tag: u8, key: usize, keySize: usize, anyValueSize: usize): void {
  writeByte(tag);
  if (keySize > 0) {
    writeVarint(varintSize(keySize) + keySize + varintSize(anyValueSize) + anyValueSize + 2);
    writeByte(0x0a);
    writeVarint(keySize);
    writeBytes(key, keySize);
    writeByte(0x12);
  }
  writeVarint(anyValueSize);
}

export function writeString(tag: u8, key: usize, keySize: usize, start: usize, size: usize): void {
  const whole = keySize + size + 6;
  if (whole < 128 && keySize > 0) {
    // Every length is one byte.
    store<u8>(out, tag);
    store<u8>(out, <u8>whole, 1);
    store<u8>(out, 0x0a, 2);
    store<u8>(out, <u8>keySize, 3);
    copy(out + 4, key, keySize);
    const behindKey = out + 4 + keySize;
    store<u32>(behindKey, 0x0a0012 | ((<u32>(size + 2)) << 8) | ((<u32>size) << 24));
    copy(behindKey + 4, start, size);
    out = behindKey + 4 + size;
    return;
  }
  writeHeader(tag, key, keySize, 1 + varintSize(size) + size);
  writeByte(stringTag);
  writeVarint(size);
  writeBytes(start, size);
}

export function writeInteger(tag: u8, key: usize, keySize: usize, value: i64): void {
  writeHeader(tag, key, keySize, 1 + varintSize(value));
  writeByte(integerTag);
  writeVarint(value);
}

export function writeBoolean(tag: u8, key: usize, keySize: usize, value: bool): void {
  writeHeader(tag, key, keySize, 2);
  writeByte(booleanTag);
  writeByte(<u8>value);
}

export function writeDouble(tag: u8, key: usize, keySize: usize, value: f64): void {
  writeHeader(tag, key, keySize, 9);
  writeByte(doubleTag);
  store<f64>(out, value);
  out += 8;
}
