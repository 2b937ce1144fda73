/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding) in a buffer that grows.
 *
 * Lengths stand in front of what they measure and are not known yet, so one byte is kept free for each and the content
 * moves up when that is not enough. Every varint comes out in its shortest form.
 */
import { Buffer } from 'node:buffer';

const defaultSizeBytes = 1024;
const largestOneByteVarint = 0x7f;
const largestTwoByteVarint = 0x3fff;
/** KeyValue.value = 2 */
const valueTag = 0x12;
/** AnyValue.string_value = 1 */
const stringValueTag = 0x0a;
/** KeyValue.value and its length, AnyValue.string_value and its length, without the lengths: all of one byte. */
const shortTextHeader = valueTag | (stringValueTag << 16);
/** A varint of 64 bits. */
const varintBytesMax = 10;
/** Up to here a loop over the characters is faster than the call into native code. */
const loopedCharactersMax = 12;
/** Up to here a loop over eight bytes at a time is faster. */
const loopedBytesMax = 256;
/** Copies go in steps of eight bytes, so that there have to be some behind what is read and what is written. */
const stepBytes = 8;

/** Bytes to copy from, with at least eight more behind those that are copied, and a view of the same bytes. */
export interface ByteSource {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A piece of a message that is written again and again. */
export interface EncodedPart extends ByteSource {
  readonly sizeBytes: number;
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
    this.#view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  /** Milliseconds as fixed64 nanoseconds: more than 2^53, so computed in halves that are exact. */
  nanosecondsOf(timeMs: number): void {
    this.#reserve(8);
    const upper = Math.floor(timeMs / 0x10000) * 1e6;
    const lower = (upper % 0x10000) * 0x10000 + (timeMs % 0x10000) * 1e6;
    const high = Math.floor(upper / 0x10000) + Math.floor(lower / 0x1_0000_0000);
    this.#view.setUint32(this.at, lower % 0x1_0000_0000, true);
    this.#view.setUint32(this.at + 4, high, true);
    this.at += 8;
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.at);
    this.at += value.length;
  }

  part(part: EncodedPart): void {
    this.#reserve(part.sizeBytes);
    this.#copy(part, 0, part.sizeBytes);
  }

  /** A copy of what was written from there on. */
  partFrom(start: number): EncodedPart {
    const sizeBytes = this.at - start;
    const bytes = Buffer.concat([this.view(start, this.at)], sizeBytes + stepBytes);
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), sizeBytes };
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
  valueHeader(tag: number, key: EncodedPart, anyValueSize: number): void {
    this.#reserve(key.sizeBytes + 2 * varintBytesMax + 2);
    const bytes = this.#bytes;
    bytes[this.at++] = tag;
    if (key.sizeBytes > 0) {
      this.at = putVarint(bytes, this.at, key.sizeBytes + 1 + varintSize(anyValueSize) + anyValueSize);
      this.#copy(key, 0, key.sizeBytes);
      bytes[this.at++] = valueTag;
    }
    this.at = putVarint(bytes, this.at, anyValueSize);
  }

  /**
   * A KeyValue with a text.
   * @param key see `valueHeader`.
   */
  textEntry(tag: number, key: EncodedPart, text: ByteSource, start: number, end: number): void {
    this.#textHeader(tag, key, end - start);
    this.#copy(text, start, end);
  }

  /** The same for an ASCII text that is not long. False, with nothing written, when it is anything else. */
  asciiEntry(tag: number, key: EncodedPart, text: string): boolean {
    const size = text.length;
    if (size > largestOneByteVarint) return false;
    const start = this.at;
    this.#textHeader(tag, key, size);
    if (this.#ascii(text)) return true;
    this.at = start;
    return false;
  }

  /**
   * Keeps room for a length; `endLength` with the returned position fills it in.
   * @param sizeBytes of the varint that the length will probably take.
   */
  beginLength(sizeBytes = 1): number {
    this.#reserve(sizeBytes);
    const position = this.at;
    this.at += sizeBytes;
    return position;
  }

  endLength(position: number, reservedBytes = 1): void {
    const content = position + reservedBytes;
    const length = this.at - content;
    const moveBytes = varintSize(length) - reservedBytes;
    if (moveBytes !== 0) {
      this.#reserve(moveBytes);
      this.#bytes.copyWithin(content + moveBytes, content, this.at);
      this.at += moveBytes;
    }
    putVarint(this.#bytes, position, length);
  }

  /** All of a KeyValue but its text, for which there is room afterwards. */
  #textHeader(tag: number, key: EncodedPart, textSize: number): void {
    const keySize = key.sizeBytes;
    this.#reserve(keySize + 3 * varintBytesMax + 4 + textSize);
    const keyValueSize = keySize + 4 + textSize;
    if (keyValueSize <= largestOneByteVarint && keySize > 0) {
      const view = this.#view;
      view.setUint16(this.at, tag | (keyValueSize << 8), true);
      this.at += 2;
      this.#copy(key, 0, keySize);
      view.setInt32(this.at, shortTextHeader | ((2 + textSize) << 8) | (textSize << 24), true);
      this.at += 4;
      return;
    }
    this.valueHeader(tag, key, 1 + varintSize(textSize) + textSize);
    this.#bytes[this.at++] = stringValueTag;
    this.at = putVarint(this.#bytes, this.at, textSize);
  }

  /** False when a character of the text is not in ASCII; then nothing is right behind where it began. */
  #ascii(text: string): boolean {
    const size = text.length;
    if (size > loopedCharactersMax) {
      // It takes a byte for each character only when all of them are ASCII.
      const written = this.#bytes.write(text, this.at);
      this.at += size;
      return written === size;
    }
    const bytes = this.#bytes;
    let { at } = this;
    let all = 0;
    for (let index = 0; index < size; index++) {
      const code = text.charCodeAt(index);
      all |= code;
      bytes[at++] = code;
    }
    this.at = at;
    return all <= 0x7f;
  }

  /** Copies to where the next byte goes; there has to be room. */
  #copy(from: ByteSource, start: number, end: number): void {
    const { at } = this;
    this.at = at + end - start;
    if (end - start > loopedBytesMax) {
      from.bytes.copy(this.#bytes, at, start, end);
      return;
    }
    const [view, fromView] = [this.#view, from.view];
    let to = at;
    for (let index = start; index < end; index += stepBytes, to += stepBytes) {
      view.setBigUint64(to, fromView.getBigUint64(index, true), true);
    }
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
    const neededBytes = this.at + sizeBytes + stepBytes;
    if (neededBytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(neededBytes, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

export function varintSize(value: number): number {
  if (value <= largestOneByteVarint) return 1;
  if (value <= largestTwoByteVarint) return 2;
  let size = 2;
  for (let rest = Math.floor(value / 0x80); rest > largestOneByteVarint; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

export function varint64Size(value: number | bigint): number {
  if (value < 0) return varintBytesMax;
  return typeof value === 'number' ? varintSize(value) : Math.ceil(value.toString(2).length / 7);
}

/** What is written to the buffer, for writing it again. */
export function encodePart(write: (buffer: ProtobufBuffer) => void): EncodedPart {
  const buffer = new ProtobufBuffer();
  write(buffer);
  return buffer.partFrom(0);
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
