import { describe, expect, it } from 'vitest';
import { backoffMs } from '../../src/runtime/backoff.ts';
import { systemClock } from '../../src/runtime/clock.ts';

describe('backoffMs', () => {
  const policy = { initialMs: 100, maxMs: 1000 };

  it('doubles up to its maximum, with jitter on half of the delay', () => {
    const longest = { ...systemClock, random: () => 1 };
    const shortest = { ...systemClock, random: () => 0 };
    expect([0, 1, 2, 3, 4, 1000].map((attempt) => backoffMs(policy, attempt, longest))).toEqual([
      100, 200, 400, 800, 1000, 1000,
    ]);
    expect([0, 1, 2, 3, 4, 1000].map((attempt) => backoffMs(policy, attempt, shortest))).toEqual([
      50, 100, 200, 400, 500, 500,
    ]);
  });
});
