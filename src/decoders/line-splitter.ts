/**
 * Splits decoded bytes into lines. Every byte that the agent ships passes through here, so a line that lies within one chunk costs no
 * string, no copy and no promise.
 */
import { createHash, type Hash, hash } from 'node:crypto';
import type { LineSplitter } from '../contracts/decoder.ts';
import type { DeliveredLine } from '../model/line.ts';

const nul = 0x00;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const space = 0x20;
const tab = 0x09;
const byteOrderMark = Uint8Array.of(0xef, 0xbb, 0xbf);

/** @param lineBytesMax the most bytes kept of one line. */
export function createLineSplitter(startOffsetBytes: number, lineBytesMax: number): LineSplitter {
  return new ByteLineSplitter(startOffsetBytes, lineBytesMax);
}

class ByteLineSplitter implements LineSplitter {
  readonly #lineBytesMax: number;
  /** The line that continues in a later chunk. */
  #pending: PendingLine | undefined;
  /** Offset of the next chunk in the decoded object. */
  #offsetBytes: number;
  #atObjectStart: boolean;

  constructor(startOffsetBytes: number, lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
    this.#offsetBytes = startOffsetBytes;
    this.#atObjectStart = startOffsetBytes === 0;
  }

  push(chunk: Uint8Array): readonly DeliveredLine[] {
    // Buffer's indexOf is three times as fast as Uint8Array's.
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const lines: DeliveredLine[] = [];
    let lineStart = 0;
    for (;;) {
      const newline = bytes.indexOf(lineFeed, lineStart);
      if (newline === -1) break;
      const line = this.#endLine(bytes.subarray(lineStart, newline), this.#offsetBytes + newline + 1);
      if (line !== undefined) lines.push(line);
      lineStart = newline + 1;
    }
    if (lineStart < bytes.length) {
      this.#pending ??= new PendingLine(this.#lineBytesMax, this.#atObjectStart);
      this.#pending.append(bytes.subarray(lineStart));
    }
    this.#offsetBytes += bytes.length;
    return lines;
  }

  end(): DeliveredLine | undefined {
    return this.#pending === undefined ? undefined : this.#endLine(new Uint8Array(), this.#offsetBytes);
  }

  #endLine(lastBytes: Uint8Array, endOffsetBytes: number): DeliveredLine | undefined {
    const pending = this.#pending;
    const atObjectStart = this.#atObjectStart;
    this.#pending = undefined;
    this.#atObjectStart = false;
    if (pending !== undefined) {
      pending.append(lastBytes);
      return pending.finish(endOffsetBytes);
    }
    const padded = endsWithCarriageReturn(lastBytes) ? lastBytes.subarray(0, -1) : lastBytes;
    const text = withoutNuls(padded);
    const content = withoutByteOrderMark(text, atObjectStart, this.#lineBytesMax);
    if (isBlank(content)) return undefined;
    return content.length <= this.#lineBytesMax
      ? { bytes: content, sizeBytes: content.length, endOffsetBytes, digest: undefined }
      : cutLine(content, content.length, endOffsetBytes, sha256(content), this.#lineBytesMax);
  }
}

/**
 * A line that spans chunks. Its bytes are copied, so memory depends neither on the number of chunks nor on their size. Bytes beyond
 * the limit are hashed but not kept.
 */
class PendingLine {
  readonly #lineBytesMax: number;
  readonly #atObjectStart: boolean;
  #kept = Buffer.alloc(0);
  #keptBytes = 0;
  #sizeBytes = 0;
  /** NULs at the end of the line so far: padding unless more bytes follow. */
  #nulCount = 0;
  /** The line so far ends with a carriage return: part of the line ending unless more bytes follow. */
  #endsWithCarriageReturn = false;
  /** Hash of the whole line, and whether it is blank so far. Set once the line exceeds what is kept. */
  #overflow: { readonly hash: Hash; isBlank: boolean } | undefined;

  constructor(lineBytesMax: number, atObjectStart: boolean) {
    this.#lineBytesMax = lineBytesMax;
    this.#atObjectStart = atObjectStart;
  }

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#endsWithCarriageReturn) this.#addUnpadded(Uint8Array.of(carriageReturn));
    this.#endsWithCarriageReturn = endsWithCarriageReturn(bytes);
    this.#addUnpadded(this.#endsWithCarriageReturn ? bytes.subarray(0, -1) : bytes);
  }

  /** The line, or undefined if it is blank. */
  finish(endOffsetBytes: number): DeliveredLine | undefined {
    const content = this.#content();
    if (this.#overflow === undefined ? isBlank(content) : this.#overflow.isBlank) return undefined;
    const sizeBytes = this.#sizeBytes - (this.#keptBytes - content.length);
    if (sizeBytes <= this.#lineBytesMax) return { bytes: content, sizeBytes, endOffsetBytes, digest: undefined };
    const digest = this.#overflow?.hash.digest('hex') ?? sha256(content);
    return cutLine(content, sizeBytes, endOffsetBytes, digest, this.#lineBytesMax);
  }

  /** Drops NULs before the line; adds those within it once more bytes follow. */
  #addUnpadded(bytes: Uint8Array): void {
    const end = endOfText(bytes);
    const isFirst = this.#sizeBytes === 0;
    if (end > 0) {
      for (; !isFirst && this.#nulCount > 0; this.#nulCount -= Math.min(this.#nulCount, zeros.length)) {
        this.#add(zeros.subarray(0, this.#nulCount));
      }
      this.#nulCount = 0;
      this.#add(bytes.subarray(isFirst ? startOfText(bytes) : 0, end));
    }
    this.#nulCount += bytes.length - end;
  }

  #add(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    const fitting = bytes.subarray(0, this.#keptBytesMax - this.#keptBytes);
    this.#makeRoomFor(fitting.length);
    this.#kept.set(fitting, this.#keptBytes);
    this.#keptBytes += fitting.length;
    if (fitting.length < bytes.length) this.#addToOverflow(bytes.subarray(fitting.length));
  }

  /** Leaves room for a byte order mark before a line of maximum length. */
  get #keptBytesMax(): number {
    return this.#lineBytesMax + byteOrderMark.length;
  }

  /** Doubles the buffer, so that a long line in small chunks is not copied for every chunk. */
  #makeRoomFor(addedBytes: number): void {
    const neededBytes = this.#keptBytes + addedBytes;
    if (neededBytes <= this.#kept.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#keptBytesMax, Math.max(neededBytes, 2 * this.#kept.length)));
    grown.set(this.#kept.subarray(0, this.#keptBytes));
    this.#kept = grown;
  }

  #addToOverflow(bytes: Uint8Array): void {
    const content = this.#content();
    this.#overflow ??= { hash: createHash('sha256').update(content), isBlank: isBlank(content) };
    this.#overflow.hash.update(bytes);
    this.#overflow.isBlank &&= isBlank(bytes);
  }

  #content(): Uint8Array {
    const kept = this.#kept.subarray(0, this.#keptBytes);
    return withoutByteOrderMark(kept, this.#atObjectStart, this.#lineBytesMax);
  }
}

function cutLine(
  content: Uint8Array,
  sizeBytes: number,
  endOffsetBytes: number,
  digest: string,
  lineBytesMax: number,
): DeliveredLine {
  return { bytes: content.subarray(0, lineBytesMax), sizeBytes, endOffsetBytes, digest };
}

/**
 * Files that begin with a byte order mark are concatenated, so each line may have one. A later line that is blank apart from it keeps
 * it: it has always counted as a line, and positions in the state count lines.
 */
function withoutByteOrderMark(bytes: Uint8Array, atObjectStart: boolean, lineBytesMax: number): Uint8Array {
  if (bytes[0] !== byteOrderMark[0] || bytes[1] !== byteOrderMark[1] || bytes[2] !== byteOrderMark[2]) return bytes;
  const content = bytes.subarray(byteOrderMark.length);
  // Up to the limit, because no more is kept of a line that spans chunks.
  return atObjectStart || !isBlank(content.subarray(0, lineBytesMax)) ? content : bytes;
}

function endsWithCarriageReturn(bytes: Uint8Array): boolean {
  return bytes[bytes.length - 1] === carriageReturn;
}

/**
 * A file that was preallocated, or truncated while being written, is padded with NULs. Before and after a line they are not part of
 * it; within a line they are kept.
 */
function withoutNuls(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== nul && bytes[bytes.length - 1] !== nul) return bytes;
  const end = endOfText(bytes);
  return bytes.subarray(Math.min(startOfText(bytes), end), end);
}

function startOfText(bytes: Uint8Array): number {
  let start = 0;
  while (bytes[start] === nul) start++;
  return start;
}

function endOfText(bytes: Uint8Array): number {
  let end = bytes.length;
  while (bytes[end - 1] === nul) end--;
  return end;
}

const zeros = new Uint8Array(65_536);

/** True if there are only spaces, tabs and carriage returns. A JSON line is decided by its first byte. */
function isBlank(bytes: Uint8Array): boolean {
  for (const byte of bytes) {
    if (byte !== space && byte !== tab && byte !== carriageReturn) return false;
  }
  return true;
}

function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes);
}
