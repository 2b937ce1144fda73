/**
 * Guarantee 1 on a disk with bit rot: bits of the state flip, one at a time, in every page of the database and of its write-ahead
 * log, and the agent continues with the result. Either the flip has no effect, or the agent detects the damage, moves the database
 * aside and sends everything again. In no case is a line lost or sent with a wrong uid or observed time, nor does the agent loop.
 *
 * `FLIPS=all` flips a bit in every used byte.
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
/** The fields on which the whole file depends. */
const headerBytes = 100;

describe('a state on a disk with bit rot', () => {
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

/** A bit in each used byte, or in as many as a test has time for. */
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
