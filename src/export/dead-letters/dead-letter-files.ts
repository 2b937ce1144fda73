/**
 * Lists and reads dead-letter files.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import { type OtlpLogs, otlpLogs } from '../../model/otlp-json.ts';
import type { ResponseCode } from '../../model/response-code.ts';

/** Format version of the note after each record. */
export const formatVersion = 2;

const note = z.object({
  version: z.literal(formatVersion),
  time: z.string(),
  protocol: z.enum(['http', 'grpc']),
  code: z.int(),
  reason: z.string(),
});

/** Version 1 had no version number and supported only HTTP. */
const noteOfVersion1 = z
  .object({ version: z.undefined().optional(), time: z.string(), httpStatus: z.int(), reason: z.string() })
  .transform(({ time, httpStatus, reason }) => ({ time, protocol: 'http' as const, code: httpStatus, reason }));

const anyNote = z.union([note, noteOfVersion1]);
const deadLetterSchema = otlpLogs.extend({ deadLetter: anyNote });

/** One rejected record. */
export interface DeadLetter {
  /** The record without the note. */
  readonly record: OtlpLogs;
  /** The same as one line of OTLP/JSON, exactly as `Mapper.toJsonLine` returned it. */
  readonly jsonLine: string;
  /** When it was rejected, ISO 8601. */
  readonly time: string;
  readonly response: ResponseCode;
  /** The collector's own words. */
  readonly reason: string;
}

/** A line of a file, without its line ending. */
export interface DeadLetterLine {
  readonly offsetBytes: number;
  readonly text: string;
  /** Undefined for a line that is not a dead letter. */
  readonly deadLetter: DeadLetter | undefined;
  /** True for an incomplete last line, left by a crash during the write. The agent has sent that record again. */
  readonly isTorn: boolean;
}

/** A line whose content has not been parsed. */
interface FileLine extends Omit<DeadLetterLine, 'deadLetter'> {
  readonly endBytes: number;
}

/** Paths, oldest date first. Empty if the directory does not exist. Rejects with ERR_DEAD_LETTER_READ. */
export async function listDeadLetterFiles(directory: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => namePattern.test(name));
    return names.sort(byDateAndNumber).map((name) => join(directory, name));
  } catch (cause) {
    if (isMissing(cause)) return [];
    throw unreadable(directory, cause);
  }
}

/** @param text of a complete file. */
export function parseDeadLetterLines(text: string): readonly DeadLetterLine[] {
  let offsetBytes = 0;
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const startBytes = offsetBytes;
      offsetBytes += Buffer.byteLength(line) + 1;
      return { offsetBytes: startBytes, text: line, isTorn: false, deadLetter: parseDeadLetter(line) };
    });
}

/** Rejects with ERR_DEAD_LETTER_READ. */
export async function* readDeadLetterLines(path: string): AsyncGenerator<DeadLetterLine, void, undefined> {
  for await (const { offsetBytes, text, isTorn } of readLines(path)) {
    yield { offsetBytes, text, isTorn, deadLetter: isTorn ? undefined : parseDeadLetter(text) };
  }
}

/**
 * Lines as they are, from the start of one on. Rejects with ERR_DEAD_LETTER_READ.
 * @param startBytes where a line starts.
 */
export async function* readLines(path: string, startBytes = 0): AsyncGenerator<FileLine, void, undefined> {
  let rest = Buffer.alloc(0);
  let offsetBytes = startBytes;
  try {
    for await (const chunk of createReadStream(path, { start: startBytes })) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        const [lineStart, endBytes] = [offsetBytes + start, offsetBytes + end + 1];
        yield { offsetBytes: lineStart, endBytes, text: bytes.toString('utf8', start, end), isTorn: false };
        start = end + 1;
      }
      offsetBytes += start;
      rest = Buffer.from(bytes.subarray(start));
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (rest.length > 0) yield { offsetBytes, endBytes: offsetBytes + rest.length, text: rest.toString(), isTorn: true };
}

/** True for the error of a file or directory that does not exist. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** The lock is held while the file is written or replayed. */
export function lockPathOf(path: string): string {
  return `${path}.lock`;
}

const namePattern = /^dead-letters-(\d{4}-\d{2}-\d{2})-(\d+)\.jsonl$/;
const newline = 0x0a;

function byDateAndNumber(one: string, other: string): number {
  const [, oneDate = '', oneNumber] = namePattern.exec(one) ?? [];
  const [, otherDate = '', otherNumber] = namePattern.exec(other) ?? [];
  return oneDate === otherDate ? Number(oneNumber) - Number(otherNumber) : oneDate < otherDate ? -1 : 1;
}

/** Why the record of a line was rejected, without a look at the record. Undefined for a line that is not a dead letter. */
export function rejectionOf(text: string): { readonly response: ResponseCode; readonly reason: string } | undefined {
  const noteStart = text.lastIndexOf(noteMark);
  if (noteStart === -1) return undefined;
  try {
    const { protocol, code, reason } = anyNote.parse(JSON.parse(`{${text.slice(noteStart + 1)}`).deadLetter);
    return { response: { protocol, code }, reason };
  } catch {
    return undefined;
  }
}

/** The note follows the record (see dead-letters.ts), so the text before it is the record as it was written. */
function parseDeadLetter(text: string): DeadLetter | undefined {
  const noteStart = text.lastIndexOf(noteMark);
  if (noteStart === -1) return undefined;
  try {
    const parsed = deadLetterSchema.safeParse(JSON.parse(text));
    if (!parsed.success) return undefined;
    const { deadLetter, ...record } = parsed.data;
    const { time, protocol, code, reason } = deadLetter;
    return { record, jsonLine: `${text.slice(0, noteStart)}}`, time, response: { protocol, code }, reason };
  } catch {
    return undefined;
  }
}

const noteMark = ',"deadLetter":{';

export function unreadable(path: string, cause: unknown): AgentError {
  const hint = cause instanceof Error && 'hint' in cause && typeof cause.hint === 'string' ? cause.hint : undefined;
  return new AgentError(
    'ERR_DEAD_LETTER_READ',
    `Could not read or rewrite dead letters in ${path}: ${messageOf(cause)}`,
    {
      cause,
      hint: hint ?? 'Run the command as a user with read and write access, and check DATABRICKS_AUDIT_DEAD_LETTERS.',
    },
  );
}
