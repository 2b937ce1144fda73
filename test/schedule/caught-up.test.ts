import { expect, it } from 'vitest';
import type { Source } from '../../src/contracts/source.ts';
import { CaughtUp } from '../../src/schedule/caught-up.ts';

const source = (name: string): Source => ({ name, pollIntervalMs: 1, async *list() {}, async close() {} });
const [one, other] = [source('one'), source('other')];

it('knows nothing before every source was listed', () => {
  const caughtUp = new CaughtUp([one, other]);
  caughtUp.listed(one, new Set(['1']), 10);
  caughtUp.shipped(one, '1', 10);
  expect(caughtUp.toMs('1')).toBeUndefined();
  caughtUp.listed(other, new Set(), 15);
  expect(caughtUp.toMs('1')).toBe(10);
});

it('lets a workspace stay behind alone, until it is shipped or no longer there', () => {
  const caughtUp = new CaughtUp([one]);
  for (const atMs of [10, 20]) {
    caughtUp.listed(one, new Set(['1', '2', '3']), atMs);
    caughtUp.shipped(one, '2', atMs);
    if (atMs === 10) caughtUp.shipped(one, '3', atMs);
  }
  expect(['1', '2', '3', '4'].map(caughtUp.toMs)).toEqual([undefined, 20, 10, 20]);
  caughtUp.listed(one, new Set(['2', '3']), 30);
  expect(caughtUp.toMs('1')).toBe(30);
});

it('takes what is in no folder of a workspace for part of every workspace', () => {
  const caughtUp = new CaughtUp([one]);
  caughtUp.listed(one, new Set(['', '1']), 10);
  caughtUp.shipped(one, '1', 10);
  expect([undefined, '1', '2'].map(caughtUp.toMs)).toEqual([undefined, undefined, undefined]);
  caughtUp.shipped(one, '', 8);
  expect([undefined, '1', '2'].map(caughtUp.toMs)).toEqual([8, 8, 8]);
});
