import { describe, expect, it } from 'vitest';
import { LineTable } from '../../src/pipeline/line-table.ts';
import { fc } from '../support/property-tests.ts';

/** Few distinct lines, so that many are equal; similar words, so that they collide in the table. */
const line = fc.record({ high: fc.nat(3), low: fc.nat(7) });

describe('LineTable', () => {
  it('counts how often each line was settled and seen, like a naive implementation', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(line), fc.boolean(), (settledLines, seenLines, skips) => {
        const table = new LineTable();
        table.addSettled(Int32Array.from(settledLines.flatMap(({ high, low }) => [high, low])));
        if (skips) table.skipSettled();
        const count = (lines: typeof settledLines, { high, low }: { high: number; low: number }) =>
          lines.filter((other) => other.high === high && other.low === low).length;
        for (const [index, seen] of seenLines.entries()) {
          const settledCount = count(settledLines, seen);
          const seenCount = count(seenLines.slice(0, index + 1), seen) + (skips ? settledCount : 0);
          expect(table.count(seen)).toEqual({ settledCount, seenCount });
        }
        expect(table.settledCount).toBe(settledLines.length);
      }),
    );
  });

  it('keeps every count while it grows', () => {
    const table = new LineTable();
    const lines = Array.from({ length: 50_000 }, (_, i) => ({
      high: Math.imul(i, 0x85ebca6b),
      low: Math.imul(i, 0x9e3779b1),
    }));
    for (const seen of lines) expect(table.count(seen).seenCount).toBe(1);
    for (const seen of lines) expect(table.count(seen).seenCount).toBe(2);
  });

  it('counts a line that occurs hundreds of times, also when the table grows in between', () => {
    const table = new LineTable();
    const often = { high: 1, low: 2 };
    table.addSettled(Int32Array.from(Array.from({ length: 300 }, () => [often.high, often.low]).flat()));
    for (let seenCount = 1; seenCount <= 600; seenCount++) {
      expect(table.count(often)).toEqual({ settledCount: 300, seenCount });
      table.count({ high: 1, low: 100 + seenCount });
    }
    table.skipSettled();
    expect(table.count(often)).toEqual({ settledCount: 300, seenCount: 301 });
  });

  it('counts lines again that were seen before the settled ones were known', () => {
    const table = new LineTable();
    table.count({ high: 1, low: 1 });
    table.addSettled(Int32Array.of(2, 1));
    table.skipSettled();
    expect(table.count({ high: 1, low: 1 })).toEqual({ settledCount: 0, seenCount: 2 });
    expect(table.count({ high: 2, low: 1 })).toEqual({ settledCount: 1, seenCount: 2 });
  });

  it('refuses more distinct lines than it may hold, and says what to do', () => {
    const table = new LineTable(3);
    table.addSettled(Int32Array.of(1, 1, 1, 1, 2, 2));
    table.count({ high: 3, low: 3 });
    expect(table.count({ high: 1, low: 1 }).seenCount).toBe(1);
    const refused = expect.objectContaining({
      code: 'ERR_OBJECT_TOO_LARGE',
      message: expect.stringContaining('more than 3 distinct lines'),
      hint: expect.stringContaining('Split it'),
    });
    expect(() => table.count({ high: 4, low: 4 })).toThrow(refused);
    expect(() => table.addSettled(Int32Array.of(5, 5))).toThrow(refused);
  });
});
