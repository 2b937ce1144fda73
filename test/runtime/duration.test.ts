import { expect, test } from 'vitest';
import { durationText } from '../../src/runtime/duration.ts';

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];

test.each([
  [-5 * second, '0 s'],
  [499, '0 s'],
  [119 * second, '119 s'],
  [2 * minute, '2 min'],
  [2 * hour - second, '119 min'],
  [47 * hour, '47 h'],
  [2 * day, '2 d'],
  [400 * day, '400 d'],
])('renders %i ms as %s', (durationMs, text) => {
  expect(durationText(durationMs)).toBe(text);
});
