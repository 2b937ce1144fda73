import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LineIndex } from '../../src/contracts/delivery-state.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { LineLedger } from '../../src/pipeline/line-ledger.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const noIndex = (): LineIndex => {
  throw new Error('so few lines stay in memory');
};

/** Few lines, so that many are equal; words close to each other, so that they collide in the table. */
const line = fc.record({ high: fc.nat(3), low: fc.nat(7) });

describe('LineLedger', () => {
  it('tells for each line which occurrence it is and whether that one was settled, as a plain count would', () => {
    fc.assert(
      fc.property(fc.array(line), fc.array(line), (settledLines, metLines) => {
        const ledger = new LineLedger(noIndex);
        ledger.addSettled(Int32Array.from(settledLines.flatMap(({ high, low }) => [high, low])));
        const count = (lines: typeof settledLines, { high, low }: { high: number; low: number }) =>
          lines.filter((other) => other.high === high && other.low === low).length;
        for (const [index, met] of metLines.entries()) {
          const occurrence = count(metLines.slice(0, index + 1), met);
          const settled = occurrence <= count(settledLines, met);
          expect(ledger.meet(met)).toEqual({ occurrence, settled });
        }
        expect(ledger.settledCount).toBe(settledLines.length);
      }),
    );
  });

  it('keeps every count while it grows', () => {
    const ledger = new LineLedger(noIndex);
    const lines = Array.from({ length: 50_000 }, (_, i) => ({ high: i, low: Math.imul(i, 0x9e3779b1) }));
    for (const met of lines) expect(ledger.meet(met).occurrence).toBe(1);
    for (const met of lines) expect(ledger.meet(met).occurrence).toBe(2);
  });

  it('takes every settled line as met when the reading goes on behind them', () => {
    const ledger = new LineLedger(noIndex);
    ledger.addSettled(Int32Array.of(1, 1, 1, 1, 2, 2));
    ledger.skipSettled();
    expect(ledger.meet({ high: 1, low: 1 })).toEqual({ occurrence: 3, settled: false });
    expect(ledger.meet({ high: 2, low: 2 })).toEqual({ occurrence: 2, settled: false });
    expect(ledger.meet({ high: 3, low: 3 })).toEqual({ occurrence: 1, settled: false });
  });

  it('counts the same when its lines have to go to disk', async () => {
    const state = openDeliveryState({ directory: temporaryDirectory(), clock: systemClock, logger: silentLogger });
    const lines = Array.from({ length: 20_000 }, (_, i) => ({
      high: i % 7,
      low: Math.imul(i % 9000, 0x9e3779b1) >>> 0,
    }));
    const settled = Int32Array.from(lines.slice(0, 10_000).flatMap(({ high, low }) => [high, low]));
    for (const skip of [false, true]) {
      const small = new LineLedger(() => state.createLineIndex(), 500);
      const large = new LineLedger(noIndex);
      for (const ledger of [small, large]) ledger.addSettled(settled);
      if (skip) for (const ledger of [small, large]) ledger.skipSettled();
      for (const line of [...lines, ...lines.toReversed()]) expect(small.meet(line)).toEqual(large.meet(line));
      small.close();
    }
    await state.close();
  });
});
