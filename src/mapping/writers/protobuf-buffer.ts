/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding) in a buffer that grows.
 *
 * Lengths stand in front of what they measure and are not known yet, so one byte is kept free for each and the content
 * moves up when that is not enough. Every varint comes out in its shortest form.
 */
import { Buffer } from 'node:buffer';

const defaultSizeBytes = 1024;
const largestOneByteVarint = 0x7f;
const largestAscii = 0x7f;
/** KeyValue.value = 2 */
const valueTag = 0x12;
/** AnyValue.string_value = 1 */
const stringValueTag = 0x0a;
/** A varint of 64 bits. */
const varintBytesMax = 10;
/** Up to here a loop over the characters is faster than the call into native code. */
const loopedCharactersMax = 24;
/** Up to here a loop over eight bytes at a time is faster. */
const loopedBytesMax = 96;

/** Bytes to copy from, and a view of the same bytes, by which eight are copied at a time. */
export interface ByteSource {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function byteSource(bytes: Buffer): ByteSource {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) };
}

export class ProtobufBuffer {
  /** Where the next byte goes; only ever set back. */
  at = 0;
  #bytes: Buffer;
  #view: DataView;

  constructor(sizeBytes: number = defaultSizeBytes) {
    this.#bytes = Buffer.allocUnsafeSlow(sizeBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  view(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.at++] = value;
  }

  varint(value: number): void {
    this.#reserve(varintBytesMax);
    this.at = putVarint(this.#bytes, this.at, value);
  }

  /** A 64-bit integer with sign; negative ones take ten bytes. */
  varint64(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) this.varint(value);
    else this.#varintOfBigint(BigInt.asUintN(64, BigInt(value)));
  }

  double(value: number): void {
    this.#reserve(8);
    this.at = this.#bytes.writeDoubleLE(value, this.at);
  }

  /** Milliseconds as fixed64 nanoseconds: more than 2^53, so computed in halves that are exact. */
  nanosecondsOf(timeMs: number): void {
    this.#reserve(8);
    const upper = Math.floor(timeMs / 0x10000) * 1e6;
    const lower = (upper % 0x10000) * 0x10000 + (timeMs % 0x10000) * 1e6;
    const high = Math.floor(upper / 0x10000) + Math.floor(lower / 0x1_0000_0000);
    this.at = this.#bytes.writeUInt32LE(lower % 0x1_0000_0000, this.at);
    this.at = this.#bytes.writeUInt32LE(high, this.at);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.at);
    this.at += value.length;
  }

  /** Tag, length and UTF-8 of a text. Lone surrogates become U+FFFD. */
  stringField(tag: number, text: string): void {
    this.byte(tag);
    const start = this.beginLength();
    this.utf8(text);
    this.endLength(start);
  }

  utf8(text: string): void {
    this.#reserve(text.length * 3);
    const start = this.at;
    if (text.length <= loopedCharactersMax) {
      const bytes = this.#bytes;
      let index = 0;
      for (; index < text.length; index++) {
        const code = text.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[start + index] = code;
      }
      this.at = start + index;
      if (index === text.length) return;
    }
    this.at = start + this.#bytes.write(text, start);
  }

  /**
   * What stands in front of an AnyValue: tag and length of its KeyValue, the key, and its own tag and length.
   * @param key the field KeyValue.key, encoded. An element of an array has no KeyValue; its key is empty.
   */
  valueHeader(tag: number, key: ByteSource, anyValueSize: number): void {
    const keySize = key.bytes.length;
    this.#reserve(keySize + 2 * varintBytesMax + 2);
    const bytes = this.#bytes;
    bytes[this.at++] = tag;
    if (keySize > 0) {
      this.at = putVarint(bytes, this.at, keySize + 1 + varintSize(anyValueSize) + anyValueSize);
      this.at = this.#copy(key, 0, keySize);
      bytes[this.at++] = valueTag;
    }
    this.at = putVarint(bytes, this.at, anyValueSize);
  }

  /**
   * A KeyValue with a text.
   * @param key see `valueHeader`.
   */
  textEntry(tag: number, key: ByteSource, text: ByteSource, start: number, end: number): void {
    const textSize = end - start;
    this.#textHeader(tag, key, textSize);
    this.at = this.#copy(text, start, end);
  }

  /** The same for a short ASCII text. False, with nothing written, when it is anything else. */
  shortTextEntry(tag: number, key: ByteSource, text: string): boolean {
    const textSize = text.length;
    if (textSize > loopedCharactersMax) return false;
    const start = this.at;
    this.#textHeader(tag, key, textSize);
    const bytes = this.#bytes;
    let { at } = this;
    for (let index = 0; index < textSize; index++) {
      const code = text.charCodeAt(index);
      if (code > largestAscii) {
        this.at = start;
        return false;
      }
      bytes[at++] = code;
    }
    this.at = at;
    return true;
  }

  /** Keeps room for a length; `endLength` with the returned position fills it in. */
  beginLength(): number {
    this.#reserve(1);
    return this.at++;
  }

  endLength(position: number): void {
    const length = this.at - position - 1;
    if (length > 0x7f) {
      const extra = varintSize(length) - 1;
      this.#reserve(extra);
      this.#bytes.copyWithin(position + 1 + extra, position + 1, this.at);
      this.at += extra;
    }
    putVarint(this.#bytes, position, length);
  }

  /** All of a KeyValue but its text, for which there is room afterwards. */
  #textHeader(tag: number, key: ByteSource, textSize: number): void {
    const anyValueSize = 1 + varintSize(textSize) + textSize;
    this.#reserve(key.bytes.length + 3 * varintBytesMax + 4 + textSize);
    this.valueHeader(tag, key, anyValueSize);
    this.#bytes[this.at++] = stringValueTag;
    this.at = putVarint(this.#bytes, this.at, textSize);
  }

  /** Copies to where the next byte goes and returns the end of it; there has to be room. */
  #copy(from: ByteSource, start: number, end: number): number {
    const bytes = this.#bytes;
    if (end - start > loopedBytesMax) return this.at + from.bytes.copy(bytes, this.at, start, end);
    const [view, fromView] = [this.#view, from.view];
    let { at } = this;
    let index = start;
    for (; index + 8 <= end; index += 8, at += 8) view.setBigUint64(at, fromView.getBigUint64(index));
    for (; index < end; index++, at++) bytes[at] = from.bytes[index] as number;
    return at;
  }

  #varintOfBigint(value: bigint): void {
    this.#reserve(varintBytesMax);
    let rest = value;
    while (rest > 0x7fn) {
      this.#bytes[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.at++] = Number(rest);
  }

  #reserve(sizeBytes: number): void {
    const neededBytes = this.at + sizeBytes;
    if (neededBytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(neededBytes, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

export function varintSize(value: number): number {
  if (value <= largestOneByteVarint) return 1;
  let size = 2;
  for (let rest = Math.floor(value / 0x80); rest > largestOneByteVarint; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

export function varint64Size(value: number | bigint): number {
  if (value < 0) return varintBytesMax;
  return typeof value === 'number' ? varintSize(value) : Math.ceil(value.toString(2).length / 7);
}

/** A field of text as bytes of its own. */
export function encodeStringField(fieldNumber: number, text: string): Buffer {
  const utf8 = Buffer.from(text);
  const headerSize = 1 + varintSize(utf8.length);
  const field = Buffer.alloc(headerSize + utf8.length);
  field[0] = (fieldNumber << 3) | 2;
  putVarint(field, 1, utf8.length);
  field.set(utf8, headerSize);
  return field;
}

/** @param value a safe integer of at least 0. */
function putVarint(bytes: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  // Bit operations are for 32 bits; what is larger is divided until it fits.
  for (; rest > 0x7fffffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}
