/**
 * The expected lines of an object, from a second implementation that is as simple as possible.
 */
import { createHash } from 'node:crypto';

export interface ExpectedLine {
  /** The bytes of the line up to the limit. */
  readonly bytes: Buffer;
  /** Of the whole line. */
  readonly sizeBytes: number;
  readonly endOffsetBytes: number;
  /** SHA-256 of the whole line. */
  readonly digest: string;
  readonly occurrence: number;
}

export function expectedLines(content: Buffer, lineBytesMax: number): ExpectedLine[] {
  const lines: ExpectedLine[] = [];
  const occurrences = new Map<string, number>();
  for (let start = 0; start < content.length; ) {
    const newline = content.indexOf('\n', start);
    const end = newline === -1 ? content.length : newline;
    const endOffsetBytes = newline === -1 ? end : newline + 1;
    const whole = withoutFrame(content.subarray(start, end), start === 0, lineBytesMax);
    start = endOffsetBytes;
    if (isBlank(whole)) continue;
    const digest = createHash('sha256').update(whole).digest('hex');
    const occurrence = (occurrences.get(digest) ?? 0) + 1;
    occurrences.set(digest, occurrence);
    lines.push({ bytes: whole.subarray(0, lineBytesMax), sizeBytes: whole.length, endOffsetBytes, digest, occurrence });
  }
  return lines;
}

/** Without the carriage return of a line ending, NULs around the line, and a byte order mark before text or at the start of the object. */
function withoutFrame(line: Buffer, atObjectStart: boolean, lineBytesMax: number): Buffer {
  const ended = line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
  const isText = (byte: number) => byte !== 0;
  const text = ended.subarray(Math.max(0, ended.findIndex(isText)), ended.findLastIndex(isText) + 1);
  if (!text.subarray(0, 3).equals(Buffer.from('\ufeff'))) return text;
  const unmarked = text.subarray(3);
  return atObjectStart || !isBlank(unmarked.subarray(0, lineBytesMax)) ? unmarked : text;
}

function isBlank(text: Buffer): boolean {
  return /^[ \t\r]*$/.test(text.toString('latin1'));
}
