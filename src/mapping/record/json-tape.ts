/**
 * Reads one JSON text (RFC 8259) from its bytes without making a string, an object or a number of it: every value becomes an
 * entry on a tape that says what it is and where it stands. Most of what a record holds is only copied from the line into
 * the request, so most of it never has to be anything but bytes.
 */
import { Buffer, isUtf8 } from 'node:buffer';
import type { ByteSource } from '../writers/protobuf-buffer.ts';
import { type JsonValue, parseJson } from './exact-json.ts';
import {
  backslash,
  endOfNumber,
  escapeSizeAt,
  isPlain,
  malformed,
  quote,
  skipBlanks,
  skipDigits,
} from './json-grammar.ts';
import type { KeyTable, RecordKey } from './key-table.ts';

/** What an entry is. */
export const kinds = {
  null: 0,
  false: 1,
  true: 2,
  /** So few digits that a JavaScript number holds them. */
  integer: 3,
  /** Any other number. */
  number: 4,
  /** A text whose UTF-8 stands there as it is. */
  text: 5,
  /** A text with backslashes. */
  escapedText: 6,
  object: 7,
  array: 8,
} as const;

export type Kind = (typeof kinds)[keyof typeof kinds];

/** In place of an entry where there is none. */
export const none = -1;

const [comma, colon, minus, zero, nine] = [0x2c, 0x3a, 0x2d, 0x30, 0x39];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
const exactDigitsMax = 15;
const initialEntryCount = 256;
/** Long enough for nearly all lines; it grows. */
const initialTextBytes = 16_384;

interface Word {
  readonly bytes: Uint8Array;
  readonly kind: Kind;
}

/** By their first byte. */
const words: readonly (Word | undefined)[] = Array.from({ length: 256 }, (_, first) =>
  [
    { bytes: Buffer.from('null'), kind: kinds.null },
    { bytes: Buffer.from('true'), kind: kinds.true },
    { bytes: Buffer.from('false'), kind: kinds.false },
  ].find(({ bytes }) => bytes[0] === first),
);

export class JsonTape implements ByteSource {
  /** The text, which is valid UTF-8 after a successful scan, and a zero behind it, so that nothing reads beyond the end. */
  bytes = Buffer.allocUnsafeSlow(initialTextBytes);
  view = new DataView(this.bytes.buffer);
  /** A key of the record is sensitive and has a value. */
  hasSensitiveKey = false;
  /** The same, for keys that are sensitive in some services only. */
  hasKeySensitiveInService = false;
  /** Entries of the kind escapedText, in order. */
  readonly escapedTexts: number[] = [];

  readonly #keyTable: KeyTable;
  #depthLeft = 0;
  #keysAreUnique = false;
  #isAscii = true;
  #endedWithEscapes = false;
  #record = 0;
  #count = 0;
  #kinds = new Uint8Array(initialEntryCount);
  /** Of a text, what stands between its quotes. */
  #starts = new Int32Array(initialEntryCount);
  #ends = new Int32Array(initialEntryCount);
  /** The first entry behind the value and all that is in it. */
  #nexts = new Int32Array(initialEntryCount);
  readonly #keys: (RecordKey | undefined)[] = [];
  #lastTextEntry = none;
  #lastText = '';

  constructor(keyTable: KeyTable) {
    this.#keyTable = keyTable;
  }

  /**
   * Puts the object on the tape; entry 0 is the object itself.
   * @param depthMax containers in each other.
   * @param keysAreUnique within each object. If that is not known, it is looked at.
   * @returns false for anything that is no object in valid JSON, and for what JSON.parse has to look at first: perhaps equal
   * keys within one object, keys that are no Unicode, and what is nested too deeply.
   */
  scanObject(text: Uint8Array, depthMax: number, keysAreUnique: boolean): boolean {
    this.#keyTable.trim();
    this.#load(text);
    this.hasSensitiveKey = false;
    this.hasKeySensitiveInService = false;
    this.escapedTexts.length = 0;
    this.#depthLeft = depthMax;
    this.#keysAreUnique = keysAreUnique;
    this.#isAscii = true;
    this.#count = 0;
    this.#lastTextEntry = none;
    const { bytes } = this;
    const start = skipBlanks(bytes, 0);
    if (bytes[start] !== openBrace) return false;
    const end = this.#object(start, undefined);
    return end !== malformed && skipBlanks(bytes, end) === text.length && (this.#isAscii || isUtf8(text));
  }

  kind(entry: number): Kind {
    return this.#kinds[entry] as Kind;
  }

  /** Where the bytes of a text begin and end. */
  start(entry: number): number {
    return this.#starts[entry] as number;
  }

  end(entry: number): number {
    return this.#ends[entry] as number;
  }

  /** The entry behind the value and all that is in it. What is in a container begins with the entry behind its own. */
  next(entry: number): number {
    return this.#nexts[entry] as number;
  }

  /** Of a member of an object. */
  key(entry: number): RecordKey {
    return this.#keys[entry] as RecordKey;
  }

  /** The member of the record itself, or `none`. */
  memberOfRecord(key: RecordKey): number {
    return key.seenIn === this.#record ? key.seenAt : none;
  }

  /** False for null and for an empty text. */
  hasValue(entry: number): boolean {
    const kind = this.#kinds[entry];
    return kind !== kinds.null && (kind !== kinds.text || this.#starts[entry] !== this.#ends[entry]);
  }

  /** Of an entry of the kind integer. */
  integer(entry: number): number {
    const end = this.end(entry);
    let at = this.start(entry);
    const isNegative = this.bytes[at] === minus;
    if (isNegative) at++;
    let value = 0;
    for (; at < end; at++) value = value * 10 + (this.bytes[at] as number) - zero;
    return isNegative && value !== 0 ? -value : value;
  }

  text(entry: number): string {
    if (entry !== this.#lastTextEntry) {
      this.#lastTextEntry = entry;
      this.#lastText = this.#readText(this.kind(entry), this.start(entry), this.end(entry));
    }
    return this.#lastText;
  }

  /** The entry as what JSON.parse makes of it; numbers keep their digits. */
  value(entry: number): JsonValue {
    switch (this.kind(entry)) {
      case kinds.null:
        return null;
      case kinds.false:
        return false;
      case kinds.true:
        return true;
      case kinds.integer:
        return this.integer(entry);
      case kinds.text:
      case kinds.escapedText:
        return this.text(entry);
      default:
        return parseJson(this.bytes.toString('utf8', this.start(entry), this.end(entry)));
    }
  }

  #load(text: Uint8Array): void {
    if (text.length >= this.bytes.length) {
      this.bytes = Buffer.allocUnsafeSlow(text.length * 2);
      this.view = new DataView(this.bytes.buffer);
    }
    this.bytes.set(text);
    this.bytes[text.length] = 0;
  }

  #readText(kind: Kind, start: number, end: number): string {
    if (kind === kinds.escapedText) return JSON.parse(this.bytes.toString('utf8', start - 1, end + 1)) as string;
    return this.bytes.toString(this.#isAscii ? 'latin1' : 'utf8', start, end);
  }

  // Each of what follows takes where something begins and returns where it ends, or `malformed`.

  #value(start: number, key: RecordKey | undefined): number {
    const byte = this.bytes[start] as number;
    if (byte === quote) return this.#text(start + 1, key);
    if (byte === openBrace) return this.#object(start, key);
    if (byte === openBracket) return this.#array(start, key);
    if (byte === minus || (byte >= zero && byte <= nine)) return this.#number(start, key);
    return this.#word(start, key);
  }

  #object(start: number, key: RecordKey | undefined): number {
    const { bytes } = this;
    const object = this.#add(kinds.object, start, key);
    if (this.#depthLeft-- === 0) return malformed;
    let at = skipBlanks(bytes, start + 1);
    for (let isFirst = true; bytes[at] !== closeBrace; isFirst = false) {
      if (!isFirst) {
        if (bytes[at] !== comma) return malformed;
        at = skipBlanks(bytes, at + 1);
      }
      at = this.#member(at);
      if (at === malformed) return malformed;
      at = skipBlanks(bytes, at);
    }
    this.#endContainer(object, at + 1);
    const isWhole = object === 0 || !this.#keysAreUnique ? this.#indexMembers(object) : true;
    return isWhole ? at + 1 : malformed;
  }

  #member(start: number): number {
    const { bytes } = this;
    if (bytes[start] !== quote) return malformed;
    let key = this.#keyTable.expected(bytes, start + 1);
    let end = start + 2;
    if (key !== undefined) {
      end += key.bytes.length;
      if (!key.isAscii) this.#isAscii = false;
    } else {
      const endOfKey = this.#endOfText(start + 1);
      if (endOfKey === malformed) return malformed;
      key = this.#findKey(start + 1, endOfKey);
      if (key === undefined) return malformed;
      end = endOfKey + 1;
    }
    const at = skipBlanks(bytes, end);
    return bytes[at] === colon ? this.#value(skipBlanks(bytes, at + 1), key) : malformed;
  }

  /** Undefined for a key that has to be looked at by JSON.parse first. */
  #findKey(start: number, end: number): RecordKey | undefined {
    if (!this.#endedWithEscapes) {
      const key = this.#keyTable.ofBytes(this.bytes, start, end);
      return key.isKept || this.#keysAreUnique ? key : undefined;
    }
    const text = this.#readText(kinds.escapedText, start, end);
    if (!text.isWellFormed()) return undefined;
    const key = this.#keyTable.ofText(text);
    return key.isKept || this.#keysAreUnique ? key : undefined;
  }

  #array(start: number, key: RecordKey | undefined): number {
    const { bytes } = this;
    const array = this.#add(kinds.array, start, key);
    if (this.#depthLeft-- === 0) return malformed;
    let at = skipBlanks(bytes, start + 1);
    for (let isFirst = true; bytes[at] !== closeBracket; isFirst = false) {
      if (!isFirst) {
        if (bytes[at] !== comma) return malformed;
        at = skipBlanks(bytes, at + 1);
      }
      at = this.#value(at, undefined);
      if (at === malformed) return malformed;
      at = skipBlanks(bytes, at);
    }
    this.#endContainer(array, at + 1);
    return at + 1;
  }

  #endContainer(container: number, end: number): void {
    this.#depthLeft++;
    this.#ends[container] = end;
    this.#nexts[container] = this.#count;
  }

  /** Notes in each key where it stands in the object; false when one stands there twice. */
  #indexMembers(object: number): boolean {
    const serial = this.#keyTable.nextObject();
    if (object === 0) this.#record = serial;
    const end = this.next(object);
    for (let member = object + 1; member < end; member = this.next(member)) {
      const key = this.key(member);
      if (key.seenIn === serial) return false;
      key.seenIn = serial;
      key.seenAt = member;
    }
    return true;
  }

  #text(start: number, key: RecordKey | undefined): number {
    const end = this.#endOfText(start);
    if (end === malformed) return malformed;
    const entry = this.#addScalar(this.#endedWithEscapes ? kinds.escapedText : kinds.text, start, end, key);
    if (this.#endedWithEscapes) this.escapedTexts.push(entry);
    return end + 1;
  }

  /** Where the closing quote stands. */
  #endOfText(start: number): number {
    const { bytes } = this;
    let at = start;
    let allBytes = 0;
    this.#endedWithEscapes = false;
    for (;;) {
      let byte = bytes[at] as number;
      while (isPlain[byte] === 1) {
        allBytes |= byte;
        byte = bytes[++at] as number;
      }
      if (byte === quote) {
        if (allBytes >= 0x80) this.#isAscii = false;
        return at;
      }
      if (byte !== backslash) return malformed;
      this.#endedWithEscapes = true;
      const escapeSize = escapeSizeAt(bytes, at);
      if (escapeSize === 0) return malformed;
      at += escapeSize;
    }
  }

  #number(start: number, key: RecordKey | undefined): number {
    const firstDigit = this.bytes[start] === minus ? start + 1 : start;
    const endOfInteger = skipDigits(this.bytes, firstDigit);
    const end = endOfNumber(this.bytes, firstDigit, endOfInteger);
    if (end === malformed) return malformed;
    const isExact = end === endOfInteger && end - firstDigit <= exactDigitsMax;
    this.#addScalar(isExact ? kinds.integer : kinds.number, start, end, key);
    return end;
  }

  #word(start: number, key: RecordKey | undefined): number {
    const { bytes } = this;
    const word = words[bytes[start] as number];
    if (word === undefined) return malformed;
    const size = word.bytes.length;
    for (let index = 1; index < size; index++) if (bytes[start + index] !== word.bytes[index]) return malformed;
    this.#addScalar(word.kind, start, start + size, key);
    return start + size;
  }

  #addScalar(kind: Kind, start: number, end: number, key: RecordKey | undefined): number {
    const entry = this.#add(kind, start, key);
    this.#ends[entry] = end;
    this.#nexts[entry] = entry + 1;
    if (key !== undefined && kind > kinds.true && end > start) this.#noteSensitive(key);
    return entry;
  }

  #add(kind: Kind, start: number, key: RecordKey | undefined): number {
    const entry = this.#count++;
    if (entry === this.#kinds.length) this.#grow();
    this.#kinds[entry] = kind;
    this.#starts[entry] = start;
    this.#keys[entry] = key;
    if (key !== undefined && kind >= kinds.object) this.#noteSensitive(key);
    return entry;
  }

  #noteSensitive(key: RecordKey): void {
    if (this.#keysAreUnique) return; // The redactor has been here.
    const { isSensitive, isSensitiveInService } = key.sensitivity;
    if (isSensitive) this.hasSensitiveKey = true;
    if (isSensitiveInService) this.hasKeySensitiveInService = true;
  }

  #grow(): void {
    const entryCount = this.#kinds.length * 2;
    const kindsBefore = this.#kinds;
    this.#kinds = new Uint8Array(entryCount);
    this.#kinds.set(kindsBefore);
    this.#starts = grown(this.#starts, entryCount);
    this.#ends = grown(this.#ends, entryCount);
    this.#nexts = grown(this.#nexts, entryCount);
  }
}

function grown(before: Int32Array, entryCount: number): Int32Array<ArrayBuffer> {
  const after = new Int32Array(entryCount);
  after.set(before);
  return after;
}
