/**
 * The options `--from` and `--before`, which select dates.
 */
import { expect, it } from 'vitest';
import { dateRange } from '../../src/commands/command.ts';

it('a range takes both dates, one of them or none', () => {
  for (const dates of [
    {},
    { from: '2026-01-31' },
    { before: '2026-01-31' },
    { from: '2026-01-31', before: '2026-02-01' },
  ])
    expect(dateRange(dates)).toEqual({ from: undefined, before: undefined, ...dates });
});

it.each([
  ['ends before it begins', '2026-01-01'],
  ['has no date', '2026-01-02'],
])('a range that %s is misuse', (_, before) => {
  expect(() => dateRange({ from: '2026-01-02', before })).toThrow(
    expect.objectContaining({
      code: 'ERR_CONFIGURATION',
      message: `--before: expected a date after that of --from, 2026-01-02, got ${before}`,
      hint: '--from is the first date, and --before the first one that is left out.',
    }),
  );
});
