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
import {
  isContainer,
  type Kind,
  kinds,
  type RecordKey,
  type RecordShape,
  type ShapeBranch,
  type ShapeTree,
} from './record-shape.ts';
import type { KnownText, TextMemo } from './text-memo.ts';

const [comma, colon, minus, zero, nine, space] = [0x2c, 0x3a, 0x2d, 0x30, 0x39, 0x20];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];
/** The same byte four times. */
const [ones, spaces, quotes, backslashes, highBits] = [0x01010101, 0x20202020, 0x22222222, 0x5c5c5c5c, 0x80808080];
const exactDigitsMax = 15;
const initialEntryCount = 256;
/** Long enough for nearly all lines; it grows. */
const initialTextBytes = 16_384;
/** Behind the text: a zero, so that nothing reads beyond the end, and room for words that begin within the text. */
const paddingBytes = 16;

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
  /** The text, which is valid UTF-8 after a successful scan, and some bytes behind it. */
  bytes = Buffer.alloc(initialTextBytes);
  view = new DataView(this.bytes.buffer);

  readonly #tree: ShapeTree;
  #depthLeft = 0;
  #isAscii = true;
  #endedWithEscapes = false;
  /** Of what was scanned so far. */
  #shape: RecordShape | undefined;
  #count = 0;
  /** How each entry ended the shape of those up to it. */
  readonly #shapes: RecordShape[] = [];
  /** Of a text, what stands between its quotes. */
  #starts = new Int32Array(initialEntryCount);
  #ends = new Int32Array(initialEntryCount);
  /** Of a container, the first entry behind all that is in it. */
  #nexts = new Int32Array(initialEntryCount);
  readonly #texts: TextMemo;

  /** What records have in common serves all tapes that they are put on. */
  constructor(tree: ShapeTree, texts: TextMemo) {
    this.#tree = tree;
    this.#texts = texts;
  }

  /**
   * Puts the object on the tape; entry 0 is the object itself.
   * @param depthMax containers in each other.
   * @returns its shape; undefined for anything that is no object in valid JSON, and for what is nested too deeply.
   */
  scanObject(text: Uint8Array, depthMax: number): RecordShape | undefined {
    this.#tree.trim();
    this.#load(text);
    this.#depthLeft = depthMax;
    this.#isAscii = true;
    this.#count = 0;
    const { bytes } = this;
    const start = skipBlanks(bytes, 0);
    if (bytes[start] !== openBrace) return undefined;
    const end = this.#object(start, this.#tree.root);
    if (end === malformed || skipBlanks(bytes, end) !== text.length) return undefined;
    return this.#isAscii || isUtf8(text) ? this.#shape : undefined;
  }

  get entryCount(): number {
    return this.#count;
  }

  kind(entry: number): Kind {
    return (this.#shapes[entry] as RecordShape).kind;
  }

  /** Where the bytes of a value begin and end. */
  start(entry: number): number {
    return this.#starts[entry] as number;
  }

  end(entry: number): number {
    return this.#ends[entry] as number;
  }

  /** The entry behind the value and all that is in it. What is in a container begins with the entry behind its own. */
  next(entry: number): number {
    return isContainer(this.kind(entry)) ? (this.#nexts[entry] as number) : entry + 1;
  }

  /** Of a member of an object; else `noKey`. */
  key(entry: number): RecordKey {
    return (this.#shapes[entry] as RecordShape).key;
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
    return this.kind(entry) === kinds.escapedText ? this.#escapedText(entry) : this.plainText(entry);
  }

  /** Of an entry of the kind text. */
  plainText(entry: number): string {
    return this.known(entry)?.text ?? this.bytes.toString('utf8', this.start(entry), this.end(entry));
  }

  /** The bytes of the value as a known text, whatever they mean; undefined when they are many. */
  known(entry: number): KnownText | undefined {
    return this.#texts.of(this, this.start(entry), this.end(entry));
  }

  #escapedText(entry: number): string {
    return JSON.parse(this.bytes.toString('utf8', this.start(entry) - 1, this.end(entry) + 1)) as string;
  }

  /** The entry as what JSON.parse makes of it; numbers keep their digits. */
  value(entry: number): JsonValue {
    switch (this.kind(entry)) {
      case kinds.null:
        return null;
      case kinds.emptyText:
        return '';
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
    if (text.length + paddingBytes > this.bytes.length) {
      this.bytes = Buffer.alloc(text.length * 2 + paddingBytes);
      this.view = new DataView(this.bytes.buffer);
    }
    this.bytes.set(text);
    this.bytes[text.length] = 0;
  }

  // Each of what follows takes where something begins and returns where it ends, or `malformed`.

  #value(start: number, branch: ShapeBranch): number {
    const byte = this.bytes[start] as number;
    if (byte === quote) return this.#text(start + 1, branch);
    if (byte === openBrace) return this.#object(start, branch);
    if (byte === openBracket) return this.#array(start, branch);
    if (byte === minus || (byte >= zero && byte <= nine)) return this.#number(start, branch);
    return this.#word(start, branch);
  }

  #object(start: number, branch: ShapeBranch): number {
    const { bytes } = this;
    const object = this.#add(kinds.object, start, start, branch);
    if (this.#depthLeft-- === 0) return malformed;
    let at = skipBlanks(bytes, start + 1);
    let byte = bytes[at] as number;
    for (let isFirst = true; byte !== closeBrace; isFirst = false) {
      if (!isFirst) {
        if (byte !== comma) return malformed;
        at++;
      }
      at = this.#member(at);
      if (at === malformed) return malformed;
      byte = bytes[at] as number;
      if (byte > space) continue;
      at = skipBlanks(bytes, at);
      byte = bytes[at] as number;
    }
    this.#endContainer(object, at + 1);
    return at + 1;
  }

  /** Records of one shape are written alike, without blanks: nearly always the likely key and its colon stand right here. */
  #member(start: number): number {
    const branch = (this.#shape as RecordShape).likelyBranchAt(this.view, start);
    if (branch === undefined) return this.#otherMember(skipBlanks(this.bytes, start));
    if (!branch.key.isAscii) this.#isAscii = false;
    const startOfValue = start + branch.key.prefixSizeBytes;
    return this.bytes[startOfValue] === quote
      ? this.#text(startOfValue + 1, branch)
      : this.#value(skipBlanks(this.bytes, startOfValue), branch);
  }

  #otherMember(start: number): number {
    const { bytes } = this;
    if (bytes[start] !== quote) return malformed;
    const endOfKey = this.#endOfText(start + 1);
    if (endOfKey === malformed) return malformed;
    const branch = this.#branch(start + 1, endOfKey);
    if (!branch.key.isAscii) this.#isAscii = false;
    const at = skipBlanks(bytes, endOfKey + 1);
    return bytes[at] === colon ? this.#value(skipBlanks(bytes, at + 1), branch) : malformed;
  }

  #branch(start: number, end: number): ShapeBranch {
    const rawKey = this.bytes.subarray(start, end);
    const hasEscapes = this.#endedWithEscapes;
    return this.#tree.branch(this.#shape as RecordShape, rawKey, () =>
      hasEscapes ? (JSON.parse(this.bytes.toString('utf8', start - 1, end + 1)) as string) : rawKey.toString(),
    );
  }

  #array(start: number, branch: ShapeBranch): number {
    const { bytes } = this;
    const array = this.#add(kinds.array, start, start, branch);
    if (this.#depthLeft-- === 0) return malformed;
    let at = skipBlanks(bytes, start + 1);
    for (let isFirst = true; bytes[at] !== closeBracket; isFirst = false) {
      if (!isFirst) {
        if (bytes[at] !== comma) return malformed;
        at = skipBlanks(bytes, at + 1);
      }
      at = this.#value(at, this.#tree.element(this.#shape as RecordShape));
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
    const shape = this.#shape as RecordShape;
    this.#shape = shape.end ?? this.#tree.growEnd(shape);
  }

  #text(start: number, branch: ShapeBranch): number {
    const end = this.#endOfText(start);
    if (end === malformed) return malformed;
    const kind = this.#endedWithEscapes ? kinds.escapedText : end === start ? kinds.emptyText : kinds.text;
    this.#add(kind, start, end, branch);
    return end + 1;
  }

  /**
   * Where the closing quote stands. Goes over four bytes at a time up to where one of them is no ASCII, no character, a
   * quote or a backslash: a byte that is too small shows by what it borrows when something is taken from it.
   */
  #endOfText(start: number): number {
    const { view } = this;
    this.#endedWithEscapes = false;
    for (let at = start; ; at += 4) {
      const word = view.getInt32(at, true);
      const notQuotes = (word ^ quotes) - ones;
      const notBackslashes = (word ^ backslashes) - ones;
      const stops = (word | (word - spaces) | notQuotes | notBackslashes) & highBits;
      if (stops === 0) continue;
      // The first of them is right; behind it, what was borrowed may make others.
      const end = at + ((31 - Math.clz32(stops & -stops)) >> 3);
      return this.bytes[end] === quote ? end : this.#endOfOtherText(end);
    }
  }

  /** The same byte by byte, from a byte on that is not plain ASCII. */
  #endOfOtherText(start: number): number {
    const { bytes } = this;
    let at = start;
    let allBytes = 0;
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

  #number(start: number, branch: ShapeBranch): number {
    const firstDigit = this.bytes[start] === minus ? start + 1 : start;
    const endOfInteger = skipDigits(this.bytes, firstDigit);
    const end = endOfNumber(this.bytes, firstDigit, endOfInteger);
    if (end === malformed) return malformed;
    const isExact = end === endOfInteger && end - firstDigit <= exactDigitsMax;
    this.#add(isExact ? kinds.integer : kinds.number, start, end, branch);
    return end;
  }

  #word(start: number, branch: ShapeBranch): number {
    const { bytes } = this;
    const word = words[bytes[start] as number];
    if (word === undefined) return malformed;
    const size = word.bytes.length;
    for (let index = 1; index < size; index++) if (bytes[start + index] !== word.bytes[index]) return malformed;
    this.#add(word.kind, start, start + size, branch);
    return start + size;
  }

  #add(kind: Kind, start: number, end: number, branch: ShapeBranch): number {
    const entry = this.#count++;
    if (entry === this.#starts.length) this.#grow();
    const shape = branch.shapes[kind] ?? this.#tree.grow(branch, kind, entry);
    this.#shape = shape;
    this.#shapes[entry] = shape;
    this.#starts[entry] = start;
    this.#ends[entry] = end;
    return entry;
  }

  #grow(): void {
    const entryCount = this.#starts.length * 2;
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
