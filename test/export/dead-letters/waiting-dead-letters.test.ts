import { appendFileSync, closeSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { DeadLetterFileWriter } from '../../../src/export/dead-letters/dead-letter-file-writer.ts';
import type { DeadLetterLine } from '../../../src/export/dead-letters/dead-letter-files.ts';
import { DeadLetters } from '../../../src/export/dead-letters/dead-letters.ts';
import { ReplayedFile } from '../../../src/export/dead-letters/replayed-file.ts';
import { DeadLetterCount } from '../../../src/export/dead-letters/waiting-dead-letters.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { http } from '../fixtures.ts';

const signal = new AbortController().signal;
const record = '{"resourceLogs":[]}';

function setUp() {
  const directory = temporaryDirectory();
  const deadLetters = new DeadLetters(new DeadLetterFileWriter({ directory }, systemClock), systemClock, silentLogger);
  onTestFinished(() => deadLetters.close());
  const reject = (reason: string, count = 1, status = 400) =>
    deadLetters.write(
      Array.from({ length: count }, () => record),
      { ...http(status), reason },
      signal,
    );
  const path = () => join(directory, readdirSync(directory).find((name) => name.endsWith('.jsonl')) ?? '');
  return { directory, deadLetters, reject, path, count: new DeadLetterCount(directory) };
}

it('counts what is on disk by reason, and reasons that differ only in numbers as one', async () => {
  const { reject, count, directory } = setUp();
  expect(await count.read()).toEqual([]);
  await reject('line 1 is too old', 2);
  await reject('line 2 is too old');
  await reject('too large', 1, 413);
  const expected = [
    { response: http(400), reason: 'line 1 is too old', count: 3 },
    { response: http(413), reason: 'too large', count: 1 },
  ];
  expect(await count.read()).toEqual(expected);
  expect(await new DeadLetterCount(directory).read()).toEqual(expected);
});

it('reads only what was appended since', async () => {
  const { reject, count, path, directory } = setUp();
  await reject('no', 5);
  expect(await count.read()).toMatchObject([{ count: 5 }]);
  const file = openSync(path(), 'r+');
  writeSync(file, 'no longer a dead letter'.padEnd(statSync(path()).size - 1), 0);
  closeSync(file);
  expect(await count.read()).toMatchObject([{ count: 5 }]);
  expect(await new DeadLetterCount(directory).read()).toEqual([]);
  await reject('no');
  expect(await count.read()).toMatchObject([{ count: 6 }]);
});

it('counts once for all who ask while a count is under way, and finds what was written meanwhile', async () => {
  const { reject, count } = setUp();
  const underWay = count.read();
  await reject('no');
  const asked = Array.from({ length: 1_000 }, () => count.read());
  expect(new Set(asked).size).toBe(1);
  expect(await asked[0]).toMatchObject([{ count: 1 }]);
  await underWay;
});

it('leaves out a line that is still being written, and lines that are not dead letters', async () => {
  const { reject, count, path } = setUp();
  await reject('no');
  appendFileSync(path(), `not a dead letter\n${record.slice(0, 5)}`);
  expect(await count.read()).toMatchObject([{ count: 1 }]);
  appendFileSync(path(), `${record.slice(5, -1)},"deadLetter":{"time":"","httpStatus":400,"reason":"no"}}\n`);
  expect(await count.read()).toMatchObject([{ count: 2 }]);
});

it('leaves out what a replay has finished with, before and after it rewrites the file', async () => {
  const { reject, deadLetters, count, path } = setUp();
  await reject('no', 3);
  await deadLetters.close();
  expect(await count.read()).toMatchObject([{ count: 3 }]);
  const file = await ReplayedFile.open(path());
  if (file === undefined || file === 'gone') throw new Error('the file is in use or gone');
  const lines: DeadLetterLine[] = [];
  for await (const line of file.lines()) lines.push(line);
  await file.markDone(lines.slice(0, 2));
  expect(await count.read()).toMatchObject([{ count: 1 }]);
  await file.close();
  expect(await count.read()).toMatchObject([{ count: 1 }]);
});

it('counts nothing once the files are deleted', async () => {
  const { reject, count, path } = setUp();
  await reject('no');
  expect(await count.read()).toHaveLength(1);
  rmSync(path());
  expect(await count.read()).toEqual([]);
});

it('says that it could not count rather than none', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'file'), '');
  await expect(new DeadLetterCount(join(directory, 'file')).read()).rejects.toMatchObject({
    code: 'ERR_DEAD_LETTER_READ',
  });
});
