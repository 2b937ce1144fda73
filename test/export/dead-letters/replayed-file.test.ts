import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { DeadLetterFileWriter } from '../../../src/export/dead-letters/dead-letter-file-writer.ts';
import type { DeadLetterLine } from '../../../src/export/dead-letters/dead-letter-files.ts';
import { DeadLetters } from '../../../src/export/dead-letters/dead-letters.ts';
import { deadLetterDirectory } from '../../../src/export/dead-letters/location.ts';
import { marksPathOf, ReplayedFile } from '../../../src/export/dead-letters/replayed-file.ts';
import { openDeadLetterStore } from '../../../src/export/index.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { http } from '../fixtures.ts';

const signal = new AbortController().signal;
const record = (uid: string) =>
  `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"log.record.uid","value":{"stringValue":"${uid}"}}]}]}]}]}`;

async function writeDeadLetters(directory: string, uids: readonly string[]): Promise<string> {
  const deadLetters = new DeadLetters(new DeadLetterFileWriter({ directory }, systemClock), systemClock, silentLogger);
  await deadLetters.write(uids.map(record), { ...http(400), reason: ',"deadLetter":{ é' }, signal);
  await deadLetters.close();
  return join(directory, readdirSync(directory).find((name) => name.endsWith('.jsonl')) ?? '');
}

async function opened(path: string): Promise<ReplayedFile> {
  const file = await ReplayedFile.open(path);
  if (file === undefined || file === 'gone') throw new Error('the file is in use or gone');
  return file;
}

async function linesOf(file: ReplayedFile): Promise<DeadLetterLine[]> {
  const lines: DeadLetterLine[] = [];
  for await (const line of file.lines()) lines.push(line);
  return lines;
}

const uids = (lines: readonly DeadLetterLine[]) =>
  lines.map(({ deadLetter }) => /"stringValue":"(\w+)"/.exec(deadLetter?.jsonLine ?? '')?.[1]);

it('reads each record as it was written, whatever its reason contains', async () => {
  const file = await opened(await writeDeadLetters(temporaryDirectory(), ['a', 'b']));
  const [first] = await linesOf(file);
  expect(first?.deadLetter).toMatchObject({
    jsonLine: record('a'),
    response: http(400),
    reason: ',"deadLetter":{ é',
  });
  await file.close();
});

it('removes what is done, and leaves no other file behind', async () => {
  const directory = temporaryDirectory();
  const path = await writeDeadLetters(directory, ['a', 'b', 'c']);
  const before = readFileSync(path, 'utf8').split('\n');
  const file = await opened(path);
  const lines = await linesOf(file);
  await file.markDone(lines.slice(1, 2));
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe(`${before[0]}\n${before[2]}\n`);
  expect(readdirSync(directory)).toEqual([path.slice(directory.length + 1)]);
  const rest = await opened(path);
  await rest.markDone(await linesOf(rest));
  await rest.close();
  expect(readdirSync(directory)).toEqual([]);
});

it('knows after a crash which dead letters were done', async () => {
  const path = await writeDeadLetters(temporaryDirectory(), ['a', 'b', 'c', 'd']);
  const process = await startReplay(path, [0, 2]);
  expect(await ReplayedFile.open(path), 'while it is replayed').toBeUndefined();
  await process.kill();
  appendFileSync(`${path}.done`, '1'); // Torn.
  const again = await opened(path);
  expect(uids(await linesOf(again))).toEqual(['b', 'd']);
  await again.markDone((await linesOf(again)).slice(0, 1));
  await again.close();
  const rest = await opened(path);
  expect(uids(await linesOf(rest))).toEqual(['d']);
  await rest.close();
});

it.skipIf(!existsSync('/proc/self/fd'))('leaves no file open if the marks cannot be written', async () => {
  const path = await writeDeadLetters(temporaryDirectory(), ['a']);
  const file = await opened(path);
  mkdirSync(join(`${path}.done`, 'in the way'), { recursive: true });
  await expect(file.markDone(await linesOf(file))).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER_READ' });
  await file.close();
  expect(openFiles().filter((name) => name.startsWith(path))).toEqual([]);
});

it('ignores the marks of another file', async () => {
  const directory = temporaryDirectory();
  const path = await writeDeadLetters(directory, ['a', 'b']);
  writeFileSync(`${path}.done`, '1 2 3\n0\n');
  const file = await opened(path);
  expect(uids(await linesOf(file))).toEqual(['a', 'b']);
  await file.markDone((await linesOf(file)).slice(0, 1));
  expect(readFileSync(`${path}.done`, 'utf8')).toMatch(/^(?!1 2 3).*\n0\n$/);
  await file.close();
});

it('drops an incomplete last line left by a crash, and keeps lines that it does not understand', async () => {
  const path = await writeDeadLetters(temporaryDirectory(), ['a', 'b']);
  appendFileSync(path, 'what is this?\n{"resourceLogs":[{"torn');
  const file = await opened(path);
  const lines = await linesOf(file);
  expect(lines.map(({ isTorn }) => isTorn)).toEqual([false, false, false, true]);
  await file.markDone(lines.slice(0, 2));
  await file.close();
  expect(readFileSync(path, 'utf8')).toBe('what is this?\n');
});

it('skips a file while it is being written, and the writer never uses a name that is in use', async () => {
  const directory = temporaryDirectory();
  const first = new DeadLetters(new DeadLetterFileWriter({ directory }, systemClock), systemClock, silentLogger);
  await first.write([record('a')], { ...http(400), reason: '' }, signal);
  const [name = ''] = readdirSync(directory).filter((each) => each.endsWith('.jsonl'));
  expect(await ReplayedFile.open(join(directory, name))).toBeUndefined();
  await first.close();
  const file = await opened(join(directory, name));
  const second = new DeadLetters(new DeadLetterFileWriter({ directory }, systemClock), systemClock, silentLogger);
  await second.write([record('b')], { ...http(400), reason: '' }, signal);
  await file.markDone(await linesOf(file));
  await file.close();
  await second.close();
  const left = readdirSync(directory);
  expect(left).toEqual([expect.stringMatching(/-2\.jsonl$/)]);
});

const killedReplay = fileURLToPath(new URL('killed-replay.ts', import.meta.url));

/** Another process that has marked these dead letters as done and still has the file open. */
async function startReplay(path: string, doneIndexes: readonly number[]): Promise<{ kill(): Promise<unknown> }> {
  const child = spawn(process.execPath, [killedReplay, path, ...doneIndexes.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  onTestFinished(() => void child.kill('SIGKILL'));
  await Promise.race([once(child.stdout, 'data'), closed]);
  return {
    kill() {
      child.kill('SIGKILL');
      return closed;
    },
  };
}

/** Of this process. */
function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      return [readlinkSync(`/proc/self/fd/${number}`)];
    } catch {
      return []; // The handle that lists the folder is closed by now.
    }
  });
}

it('is not locked any more if it could not be opened', async () => {
  const path = join(temporaryDirectory(), 'dead-letters-2026-01-31-1.jsonl');
  writeFileSync(path, '');
  mkdirSync(marksPathOf(path));
  await expect(ReplayedFile.open(path)).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER_READ' });
  rmdirSync(marksPathOf(path));
  await (await opened(path)).close();
});

it('has nothing left of a file that another replay has finished since it was listed', async () => {
  const directory = temporaryDirectory();
  const path = await writeDeadLetters(directory, ['a']);
  const store = openDeadLetterStore(deadLetterDirectory(directory));
  const file = await opened(path);
  await file.markDone(await linesOf(file));
  await file.close();
  const letters = await store.openForReplay(path);
  const rest: DeadLetterLine[] = [];
  for await (const line of letters?.lines() ?? []) rest.push(line);
  await letters?.close();
  expect(letters).toBeDefined();
  expect(rest).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
});
