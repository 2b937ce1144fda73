/**
 * What commands print on terminals that are narrow or know no control sequences.
 */
import { describe, expect, it } from 'vitest';
import { canRedraw } from '../../src/commands/command.ts';
import { barWidth } from '../../src/commands/progress-bar.ts';
import { renderTable } from '../../src/commands/table.ts';

const terminal = (isTTY = true) => ({ isTTY });

it('overwrites lines on a terminal only, and not on one that is dumb', () => {
  expect(canRedraw(terminal(), { TERM: 'xterm' })).toBe(true);
  expect(canRedraw(terminal(), {})).toBe(true);
  expect(canRedraw(terminal(), { TERM: 'dumb' })).toBe(false);
  expect(canRedraw(terminal(false), { TERM: 'xterm' })).toBe(false);
});

describe('a table', () => {
  const headings = ['workspace', 'date', 'accepted'];
  const rows = [
    ['1', '2026-01-30', '5'],
    ['2', '2026-01-31', '1,200'],
  ];

  it('stays one on a terminal that is wide enough, and where there is none', () => {
    const table = 'workspace  date        accepted\n        1  2026-01-30         5\n        2  2026-01-31     1,200\n';
    expect(renderTable(headings, rows, 31)).toBe(table);
    expect(renderTable(headings, rows, undefined)).toBe(table);
  });

  it('becomes a list for each row on a narrow terminal', () => {
    expect(renderTable(headings, rows, 30)).toBe(
      'workspace  1\ndate       2026-01-30\naccepted   5\n\nworkspace  2\ndate       2026-01-31\naccepted   1,200\n',
    );
  });
});

it('the progress bar leaves room for its numbers', () => {
  expect([40, 80, 200].map(barWidth)).toEqual([5, 10, 40]);
});
