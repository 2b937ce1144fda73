import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DeadLetterFileWriter } from '../../../src/export/dead-letters/dead-letter-file-writer.ts';
import {
  type DeadLetterLine,
  listDeadLetterFiles,
  readDeadLetterLines,
} from '../../../src/export/dead-letters/dead-letter-files.ts';
import { DeadLetters } from '../../../src/export/dead-letters/dead-letters.ts';
import { deadLetterDirectory } from '../../../src/export/options.ts';
import { readDeadLetters } from '../../../src/tools/replay.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { http, leapingClock, lines, never, rememberingLogger, toJsonLine } from '../fixtures.ts';

const [record = ''] = lines('a').map(toJsonLine);
const reason = 'HTTP 400: line too long';

describe('a line of a dead-letter file', () => {
  it('is read with the response code and protocol with which it was written', async () => {
    const directory = temporaryDirectory();
    const deadLetters = new DeadLetters(
      new DeadLetterFileWriter({ directory }, leapingClock()),
      leapingClock(),
      rememberingLogger(),
    );
    await deadLetters.write([record], { ...http(400), reason }, never);
    await deadLetters.write([record], { protocol: 'grpc', code: 3, reason: 'line too long' }, never);
    await deadLetters.close();
    const [first, second, ...others] = await linesOf(directory);
    expect(others).toEqual([]);
    const time = '2026-01-31T12:00:00.000Z';
    expect(first?.deadLetter).toMatchObject({ jsonLine: record, time, response: http(400), reason });
    expect(second?.deadLetter).toMatchObject({
      jsonLine: record,
      time,
      response: { protocol: 'grpc', code: 3 },
      reason: 'line too long',
    });
  });

  it.each([
    ['of one record', { httpStatus: 422, reason }, 422],
    ['of a partial success', { httpStatus: 200, reason, rejectedRecords: 2, ofRecords: 5 }, 200],
  ])('%s that was written before notes had a version has an HTTP response', async (_, note, code) => {
    const time = '2025-11-30T23:59:59.000Z';
    const [line, ...others] = await linesOf(directoryWith(noted({ time, ...note })));
    expect(others).toEqual([]);
    expect(line?.deadLetter).toMatchObject({ jsonLine: record, time, response: http(code), reason });
    expect(line?.deadLetter?.record.resourceLogs).toHaveLength(1);
  });

  it.each([
    ['a version of the future', { version: 3, ...http(400) }],
    ['a version of the future that looks like the first', { version: 3, httpStatus: 400 }],
    ['a version that never was', { version: 1, httpStatus: 400 }],
    ['a version in words', { version: '2', ...http(400) }],
    ['a protocol that is not known', { version: 2, protocol: 'carrier pigeon', code: 400 }],
    ['no response', { version: 2 }],
    ['neither version nor response', {}],
  ])('with a note of %s is not a dead letter, and is counted as unreadable', async (_, note) => {
    const time = '2026-01-31T12:00:00.000Z';
    const known = noted({ version: 2, time, ...http(400), reason });
    const directory = directoryWith(noted({ time, reason, ...note }), known);
    const read = await linesOf(directory);
    expect(read.map(({ deadLetter, isTorn }) => [deadLetter?.jsonLine, isTorn])).toEqual([
      [undefined, false],
      [record, false],
    ]);
    expect(await readDeadLetters(deadLetterDirectory(directory))).toMatchObject({
      selectedCount: 1,
      otherCount: 0,
      unreadableCount: 1,
    });
  });
});

it('lists the files of a directory in the order in which they were written, and nothing else', async () => {
  const directory = temporaryDirectory();
  const names = ['2025-12-31-2', '2026-01-01-1', '2026-01-01-2', '2026-01-01-10'].map(
    (name) => `dead-letters-${name}.jsonl`,
  );
  for (const name of [...names, `${names[0]}.lock`, `${names[0]}.done`, 'notes.jsonl']) {
    writeFileSync(join(directory, name), '');
  }
  expect(readdirSync(directory)).toHaveLength(7);
  expect(await listDeadLetterFiles(directory)).toEqual(names.map((name) => join(directory, name)));
  expect(await listDeadLetterFiles(join(directory, 'missing'))).toEqual([]);
});

/** The record followed by the note, as in a file. */
function noted(note: object): string {
  return `${record.slice(0, -1)},"deadLetter":${JSON.stringify(note)}}`;
}

function directoryWith(...texts: readonly string[]): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'dead-letters-2026-01-31-1.jsonl'), texts.map((text) => `${text}\n`).join(''));
  return directory;
}

async function linesOf(directory: string): Promise<readonly DeadLetterLine[]> {
  const read: DeadLetterLine[] = [];
  for (const path of await listDeadLetterFiles(directory)) {
    for await (const line of readDeadLetterLines(path)) read.push(line);
  }
  return read;
}
