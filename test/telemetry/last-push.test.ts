import { expect, test } from 'vitest';
import { waitForLastPush } from '../../src/telemetry/last-push.ts';
import { ManualClock } from '../support/manual-clock.ts';

test('shutdown waits for the last push, but at most half a second', async () => {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const hasEnded = async (push: Promise<void>, delayMs: number) => {
    let ended = false;
    const waiting = waitForLastPush(push, clock).then(() => {
      ended = true;
    });
    await clock.advance(delayMs);
    const result = ended;
    await clock.advance(1000);
    await waiting;
    return result;
  };
  expect(await hasEnded(Promise.resolve(), 0)).toBe(true);
  expect(await hasEnded(new Promise(() => {}), 499)).toBe(false);
  expect(await hasEnded(new Promise(() => {}), 500)).toBe(true);
});
