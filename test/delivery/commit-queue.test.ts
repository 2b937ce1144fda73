import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { CommitQueue } from '../../src/delivery/commit-queue.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';

it('applies a recurring change once, however often it was added while the disk could not be written', async () => {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const queue = new CommitQueue(new DatabaseSync(':memory:'), { directory: '/state', clock, logger: silentLogger });
  let isFull = true;
  let appliedCount = 0;
  const change = () => {
    if (isFull) throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 });
    appliedCount++;
  };
  for (let poll = 0; poll < 3; poll++) {
    queue.addOnce(change);
    await clock.advance(60_000);
  }
  isFull = false;
  await clock.advance(60_000);
  await queue.flush(new AbortController().signal);
  expect(appliedCount).toBe(1);
  queue.addOnce(change);
  await queue.flush(new AbortController().signal);
  expect(appliedCount).toBe(2);
  await queue.close();
});
