import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentEvent, Observer } from '../../../src/contracts/observer.ts';
import { DeadLetterFileWriter } from '../../../src/export/dead-letters/dead-letter-file-writer.ts';
import { DeadLetters } from '../../../src/export/dead-letters/dead-letters.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { http, leapingClock, lines, never, receiver, rememberingLogger, toJsonLine } from '../fixtures.ts';

const reason = { ...http(400), reason: 'HTTP 400: line too long' };
const jsonLines = (...texts: readonly string[]) => lines(...texts).map(toJsonLine);

function setUp(directory: string, fileBytesMax?: number) {
  const clock = leapingClock();
  const logger = rememberingLogger();
  const options = fileBytesMax === undefined ? { directory } : { directory, fileBytesMax };
  const events: AgentEvent['kind'][] = [];
  const observe: Observer = ({ kind }) => events.push(kind);
  const deadLetters = new DeadLetters(new DeadLetterFileWriter(options, clock), clock, logger, observe);
  onTestFinished(() => deadLetters.close());
  return { deadLetters, clock, log: logger.lines, events };
}

function read(directory: string): Record<string, string[]> {
  const names = readdirSync(directory)
    .filter((name) => !name.endsWith('.lock'))
    .sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(directory, name), 'utf8').split('\n')]));
}

test('a line is the unchanged record, followed by the reason', async () => {
  const directory = join(temporaryDirectory(), 'state', 'dead-letters');
  const { deadLetters } = setUp(directory);
  const [record = ''] = jsonLines('a');
  await deadLetters.write([record], reason, never);
  const [line = ''] = read(directory)['dead-letters-2026-01-31-1.jsonl'] ?? [];
  const { deadLetter, ...rest } = JSON.parse(line);
  expect(JSON.stringify(rest)).toBe(record);
  expect(line.startsWith('{"resourceLogs":[')).toBe(true);
  expect(deadLetter).toEqual({ version: 2, time: '2026-01-31T12:00:00.000Z', ...reason });
});

test('an OTLP/JSON receiver accepts the line as it is in the file', async () => {
  const directory = temporaryDirectory();
  const { deadLetters } = setUp(directory);
  await deadLetters.write(jsonLines('a'), reason, never);
  const [line = ''] = read(directory)['dead-letters-2026-01-31-1.jsonl'] ?? [];
  const collector = await receiver();
  await fetch(`${collector.url}/v1/logs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: line,
  });
  expect(collector.acceptedUids()).toEqual(['a']);
});

test('other users cannot read the files', async () => {
  const directory = join(temporaryDirectory(), 'dead-letters');
  const { deadLetters } = setUp(directory);
  await deadLetters.write(jsonLines('a'), reason, never);
  expect(statSync(directory).mode & 0o777).toBe(0o700);
  expect(statSync(join(directory, 'dead-letters-2026-01-31-1.jsonl')).mode & 0o777).toBe(0o600);
});

test('a new file is started by each process, on each day and after each full file', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'dead-letters-2026-01-31-1.jsonl'), '{"resourceLogs":[{"torn');
  const { deadLetters, clock } = setUp(directory, 800);
  await deadLetters.write(jsonLines('a'), reason, never);
  await deadLetters.write(jsonLines('b'), reason, never);
  await deadLetters.write(jsonLines('c'), reason, never);
  clock.timeMs += 24 * 3_600_000;
  await deadLetters.write(jsonLines('d'), reason, never);
  const counts = Object.entries(read(directory)).map(([name, all]) => [name, all.filter(Boolean).length]);
  expect(counts).toEqual([
    ['dead-letters-2026-01-31-1.jsonl', 1],
    ['dead-letters-2026-01-31-2.jsonl', 2],
    ['dead-letters-2026-01-31-3.jsonl', 1],
    ['dead-letters-2026-02-01-1.jsonl', 1],
  ]);
});

test('concurrent writes do not mix', async () => {
  const directory = temporaryDirectory();
  const { deadLetters } = setUp(directory);
  const groups = Array.from({ length: 20 }, (_, index) => jsonLines(`${index}-a`, `${index}-b`));
  await Promise.all(groups.map((group) => deadLetters.write(group, reason, never)));
  const [all = []] = Object.values(read(directory));
  expect(all.filter(Boolean).map((line) => JSON.parse(line).deadLetter.code)).toEqual(Array(40).fill(400));
});

test('a write to a read-only directory is retried, with an error in the log', async () => {
  const parent = temporaryDirectory();
  const directory = join(parent, 'dead-letters');
  writeFileSync(directory, 'in the way');
  const { deadLetters, clock, log } = setUp(directory);
  clock.onSleep = (count) => count === 8 && rmSync(directory);
  await deadLetters.write(jsonLines('a'), reason, never);
  expect(clock.sleepsMs).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  expect(Object.keys(read(directory))).toHaveLength(1);
  expect(log).toMatchObject([{ level: 'error', fields: { err: { code: 'ERR_DEAD_LETTER_WRITE' } } }]);
});

test('the signal ends the wait, and observers hear that nobody waits any more', async () => {
  const directory = join(temporaryDirectory(), 'dead-letters');
  writeFileSync(directory, 'in the way');
  const { deadLetters, clock, events } = setUp(directory);
  const stop = new AbortController();
  clock.onSleep = (count) => count === 3 && stop.abort(new Error('stopping'));
  await expect(deadLetters.write(jsonLines('a'), reason, stop.signal)).rejects.toThrow('stopping');
  expect(events).toEqual(['waiting', 'waiting', 'waiting', 'resumed']);
});

test('a disk that fills up in the middle of a line leaves only complete lines', () => {
  const directory = temporaryDirectory();
  const letters = join(directory, 'letters');
  writeFileSync(
    join(directory, 'fill.mjs'),
    `
    import { DeadLetterFileWriter } from ${JSON.stringify(new URL('../../../src/export/dead-letters/dead-letter-file-writer.ts', import.meta.url))};
    import { DeadLetters } from ${JSON.stringify(new URL('../../../src/export/dead-letters/dead-letters.ts', import.meta.url))};
    const stop = new AbortController();
    const clock = {
      nowMs: () => 0,
      random: () => 0,
      async sleep() { stop.abort(); stop.signal.throwIfAborted(); },
    };
    const logger = { error: (fields) => console.log(fields.err.message) };
    const letters = new DeadLetters(new DeadLetterFileWriter({ directory: ${JSON.stringify(letters)} }, clock), clock, logger);
    const line = JSON.stringify({ resourceLogs: ['x'.repeat(3000)] });
    while (!stop.signal.aborted) {
      await letters.write([line], { protocol: 'http', code: 400, reason: 'no' }, stop.signal).catch(() => {});
    }`,
  );
  // A limit on file size simulates a disk that is full after 8 blocks (of 512 bytes or 1 KiB, depending on the shell): with the
  // signal ignored, a write stores what fits and then fails.
  const shell = `trap '' XFSZ; ulimit -f 8; exec "$0" "$1"`;
  const output = execFileSync('sh', ['-c', shell, process.execPath, join(directory, 'fill.mjs')], { encoding: 'utf8' });
  expect(output).toContain('EFBIG');
  const text = Object.values(read(letters))[0]?.join('\n') ?? '';
  expect(text).toMatch(/\}\n$/);
  for (const line of text.trimEnd().split('\n')) expect(JSON.parse(line).deadLetter.code).toBe(400);
});
