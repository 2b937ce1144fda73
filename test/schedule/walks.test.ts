import { expect, test } from 'vitest';
import { Walks } from '../../src/schedule/walks.ts';

const [earlier, later] = [
  { workspaceId: '1', date: '2026-03-09' },
  { workspaceId: '1', date: '2026-03-10' },
];

/** A walk that has reached the earlier date. */
function reached(walks: Walks) {
  const walk = walks.begin('1');
  walk.reach(earlier.date);
  return walk;
}

test('later dates of the workspace wait for the date that a walk has reached, and nothing else does', () => {
  const walks = new Walks();
  reached(walks);
  const others = [earlier, { ...later, workspaceId: '2' }, { ...later, workspaceId: undefined }, { workspaceId: '1' }];
  expect([later, ...others].map((origin) => walks.isBefore(origin))).toEqual([true, false, false, false, false]);
});

test('a date that was not done counts until the next walk has passed it', () => {
  const walks = new Walks();
  reached(walks).end(false);
  const next = walks.begin('1');
  expect(walks.isBefore(later)).toBe(true);
  next.reach(later.date);
  expect(walks.isBefore(later)).toBe(false);
  next.end(true);
  expect(walks.isBefore({ ...later, date: '2026-03-11' })).toBe(false);
});

test('nothing waits for a workspace that is not listed any more', () => {
  const walks = new Walks();
  reached(walks).end(false);
  walks.keepOnly((workspaceId) => workspaceId !== '1');
  expect(walks.isBefore(later)).toBe(false);
});
