/**
 * Promise 1 on a disk that rots: bits of the state flip, one at a time, in every page of the database and of its log, and the
 * agent goes on with what is left. Either it works, or it notices, moves the database aside and sends all again. No line is
 * lost in any case, none comes under a new uid or with an observed time that it never had, and it never ends in a loop.
 *
 * `FLIPS=all` flips a bit in every byte that is in use.
 */
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  checkpointed,
  inFlightLines,
  killed,
  liveOn,
  problemsOf,
  repeatedCount,
  type Sent,
} from '../../support/lives.ts';

const wholeState = process.env.FLIPS === 'all';
const flipsOfTest = 300;
const pageBytes = 4096;
/** Where SQLite keeps what a whole file depends on. */
const headerBytes = 100;

describe('a state on a disk that rots', () => {
  it.each([
    { name: 'the database', file: 'delivery.db', left: checkpointed },
    { name: 'its log', file: 'delivery.db-wal', left: killed },
  ])('loses nothing, whichever bit of $name flips', { timeout: 1_200_000 }, async ({ file, left }) => {
    const { directory, sent } = await left();
    const wrong: string[] = [];
    const outcomes = { unharmed: 0, repeated: 0, movedAside: 0 };
    for (const { at, bit } of flipsOf(readFileSync(join(directory, file)))) {
      const damaged = join(directory, '..', 'damaged');
      cpSync(directory, damaged, { recursive: true });
      flip(join(damaged, file), at, bit);
      const all: Sent = new Map([...sent].map(([uid, records]) => [uid, [...records]]));
      const problems = await liveOn(damaged, all).then(
        () => problemsOf(all),
        (error: unknown) => [String(error)],
      );
      for (const problem of problems)
        wrong.push(`byte ${at} (page ${Math.floor(at / pageBytes) + 1}), bit ${bit}: ${problem}`);
      outcomes[outcomeOf(damaged, all)]++;
      rmSync(damaged, { recursive: true });
    }
    if (wholeState) console.log(file, outcomes);
    expect(wrong).toEqual([]);
    expect(outcomes.unharmed + outcomes.repeated).toBeGreaterThan(0);
  });
});

function outcomeOf(directory: string, sent: Sent): 'unharmed' | 'repeated' | 'movedAside' {
  if (readdirSync(directory).some((file) => file.includes('.damaged-'))) return 'movedAside';
  return repeatedCount(sent) > inFlightLines ? 'repeated' : 'unharmed';
}

/** A bit in each byte that is in use, or in as many as a test has time for. */
function flipsOf(content: Uint8Array): { at: number; bit: number }[] {
  const used = [...content.keys()].filter((at) => content[at] !== 0 || at % pageBytes < headerBytes);
  const step = wholeState ? 1 : Math.ceil(used.length / flipsOfTest);
  return used
    .filter((at, index) => index % step === 0 || at < headerBytes)
    .map((at, index) => ({ at, bit: (at + index) % 8 }));
}

function flip(path: string, at: number, bit: number): void {
  const content = readFileSync(path);
  content[at] = (content[at] ?? 0) ^ (1 << bit);
  writeFileSync(path, content);
}
