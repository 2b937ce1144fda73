/**
 * Reads dead-letter files: which there are, and the letters in them.
 */
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import { type OtlpLogs, otlpLogs } from '../../model/otlp-json.ts';

const letterSchema = otlpLogs.extend({
  deadLetter: z.object({ time: z.string(), httpStatus: z.number(), reason: z.string() }),
});

/** One record that was refused. */
export interface DeadLetter {
  /** The record alone. */
  readonly record: OtlpLogs;
  /** The same as one line of OTLP/JSON: what `Mapper.toJsonLine` gave. */
  readonly jsonLine: string;
  /** When it was refused, ISO 8601. */
  readonly time: string;
  readonly httpStatus: number;
  readonly reason: string;
}

/** A line of a file, without its line ending. */
export interface LetterLine {
  readonly offsetBytes: number;
  readonly text: string;
  /** Undefined for what is no dead letter. */
  readonly letter: DeadLetter | undefined;
  /** The end of a file that a crash cut while it was written. What it begins was sent again by the agent. */
  readonly isTorn: boolean;
}

/** Paths, oldest date first. Empty when there is no directory. Rejects with ERR_DEAD_LETTER_READ. */
export async function deadLetterFiles(directory: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => namePattern.test(name));
    return names.sort(byDateAndNumber).map((name) => join(directory, name));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return [];
    throw unreadable(directory, cause);
  }
}

/** Rejects with ERR_DEAD_LETTER_READ. */
export async function* readLetterLines(path: string): AsyncGenerator<LetterLine, void, undefined> {
  let rest = Buffer.alloc(0);
  let offsetBytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
        yield letterLine(offsetBytes + start, bytes.toString('utf8', start, end), true);
        start = end + 1;
      }
      offsetBytes += start;
      rest = Buffer.from(bytes.subarray(start));
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (rest.length > 0) yield letterLine(offsetBytes, rest.toString(), false);
}

/** Held by whoever writes the file or sends it again. */
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

function letterLine(offsetBytes: number, text: string, hasEnd: boolean): LetterLine {
  const letter = hasEnd ? parseLetter(text) : undefined;
  return { offsetBytes, text, letter, isTorn: !hasEnd };
}

/** The note stands behind the record (dead-letters.ts), so what is before it is the record as it was written. */
function parseLetter(text: string): DeadLetter | undefined {
  const noteStart = text.lastIndexOf(noteMark);
  if (noteStart === -1) return undefined;
  try {
    const parsed = letterSchema.safeParse(JSON.parse(text));
    if (!parsed.success) return undefined;
    const { deadLetter, ...record } = parsed.data;
    return { record, jsonLine: `${text.slice(0, noteStart)}}`, ...deadLetter };
  } catch {
    return undefined;
  }
}

const noteMark = ',"deadLetter":{';

export function unreadable(path: string, cause: unknown): AgentError {
  return new AgentError('ERR_DEAD_LETTER_READ', `Could not read dead letters of ${path}: ${messageOf(cause)}`, {
    cause,
    hint: 'Run the command as a user that can read and write there, and check DATABRICKS_AUDIT_DEAD_LETTERS.',
  });
}
