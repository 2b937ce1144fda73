/**
 * The ranges of time that a backend is asked about.
 */

import { expect, it } from 'vitest';
import { millisecondsPerDay, TimeRanges } from '../../../src/tools/reconcile/time-ranges.ts';
import { fc } from '../../support/property-tests.ts';

function joined(...times: readonly (readonly [fromMs: number, toMs: number])[]) {
  const ranges = new TimeRanges();
  for (const [fromMs, toMs] of times) ranges.add({ fromMs, toMs });
  return ranges.joined();
}

const day = millisecondsPerDay;

it('joins times that are at most a day apart, and no others', () => {
  expect(joined([5 * day, 5 * day], [4 * day, 4 * day])).toEqual([{ fromMs: 4 * day, toMs: 5 * day }]);
  expect(joined([5 * day, 5 * day], [4 * day - 1, 4 * day - 1])).toEqual([
    { fromMs: 4 * day - 1, toMs: 4 * day - 1 },
    { fromMs: 5 * day, toMs: 5 * day },
  ]);
  expect(joined([-5 * day, -2 * day], [-4 * day, -4 * day + 1])).toEqual([{ fromMs: -5 * day, toMs: -2 * day }]);
});

it('covers exactly the span of the times if there are no gaps, and every time otherwise, in whatever order they come', () => {
  const moment = fc.integer({ min: -40 * day, max: 40 * day });
  const time = fc.tuple(moment, fc.integer({ min: 0, max: 3 * day })).map(([at, length]) => [at, at + length] as const);
  fc.assert(
    fc.property(fc.array(time, { minLength: 1, maxLength: 30 }), (times) => {
      const ranges = joined(...times);
      expect(joined(...times.toReversed())).toEqual(ranges);
      expect(ranges.at(0)?.fromMs).toBe(Math.min(...times.map(([fromMs]) => fromMs)));
      expect(ranges.at(-1)?.toMs).toBe(Math.max(...times.map(([, toMs]) => toMs)));
      for (const [fromMs, toMs] of times) {
        expect(ranges.some((range) => range.fromMs <= fromMs && toMs <= range.toMs)).toBe(true);
      }
      for (const [index, { toMs }] of ranges.entries()) {
        expect((ranges[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY) - toMs).toBeGreaterThan(day);
      }
    }),
  );
});
