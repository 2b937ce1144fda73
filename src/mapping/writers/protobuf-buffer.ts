/**
 * The protobuf wire format (protobuf.dev/programming-guides/encoding) in a buffer that grows.
 *
 * Lengths stand in front of what they measure and are not known yet, so one byte is kept free for each and the content
 * moves up when that is not enough. Every varint comes out in its shortest form.
 */
import { Buffer } from 'node:buffer';
import type { Kernel } from '../kernel/kernel.ts';

const defaultSizeBytes = 1024;
const largestOneByteVarint = 0x7f;
const largestTwoByteVarint = 0x3fff;
/** KeyValue.value = 2 */
const valueTag = 0x12;
/** A varint of 64 bits. */
const varintBytesMax = 10;
/** Up to here a loop over the characters is faster than the call into native code. */
const loopedCharactersMax = 12;
/** Copies go in steps of eight bytes, so that there have to be some behind what is read and what is written. */
const stepBytes = 8;

/** A piece of a message that is written again and again. */
export interface EncodedPart {
  /** The bytes, and at least seven more. */
  readonly view: DataView;
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
    this.#copy(part);
  }

  /** What the kernel composed last. */
  composed(kernel: Kernel): void {
    this.#reserve(kernel.composedBytes);
    this.at = kernel.copyComposed(this.#bytes, this.at);
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
      this.#copy(key);
      bytes[this.at++] = valueTag;
    }
    this.at = putVarint(bytes, this.at, anyValueSize);
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

  /** Copies to where the next byte goes; there has to be room. */
  #copy({ view: from, sizeBytes }: EncodedPart): void {
    const [view, to] = [this.#view, this.at];
    for (let at = 0; at < sizeBytes; at += stepBytes) {
      view.setBigUint64(to + at, from.getBigUint64(at, true), true);
    }
    this.at = to + sizeBytes;
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
  const sizeBytes = buffer.at;
  const bytes = Buffer.concat([buffer.view(0, sizeBytes)], sizeBytes + stepBytes);
  return { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), sizeBytes };
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
