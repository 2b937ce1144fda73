import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashFilter } from '../../src/pipeline/hash-filter.ts';

const word = fc.nat({ max: 0xffffffff });

describe('HashFilter', () => {
  it('never denies a hash that was added', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(word, word)), (hashes) => {
        const filter = new HashFilter();
        for (const [high, low] of hashes) filter.add(high, low);
        for (const [high, low] of hashes) expect(filter.mayHold(high, low)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('denies nearly all hashes that were not added, and none that was, with a million of them', () => {
    const filter = new HashFilter();
    // Multiplication by an odd number spreads a count over all words, each of them once.
    const hash = (index: number) => [Math.imul(index, 0x9e3779b1) >>> 0, Math.imul(index, 0x85ebca77) >>> 0] as const;
    for (let index = 0; index < 1_000_000; index++) filter.add(...hash(index));
    for (let index = 0; index < 1_000_000; index += 997) expect(filter.mayHold(...hash(index))).toBe(true);
    let perhaps = 0;
    for (let index = 1_000_000; index < 1_100_000; index++) if (filter.mayHold(...hash(index))) perhaps++;
    expect(perhaps).toBeLessThan(1000);
  });
});
