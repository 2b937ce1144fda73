import { expect, it } from 'vitest';
import { median, type Table, toMarkdown, writeTables } from './report.ts';

const table: Table = {
  name: 'whole',
  title: 'Whole agent',
  rows: [
    { name: 'one object', figures: { toJsonParse: 0.1234, linesPerCpuSecond: 61_234, peakMiB: 151.4 } },
    { name: 'another', figures: { toJsonParse: 13.6, wallSeconds: 1 } },
  ],
};

it('a table in the document has what is the same on other machines, and nothing else', () => {
  expect(toMarkdown(table)).toBe(
    '|  | JSON.parse = 1 | peak MiB |\n| --- | --- | --- |\n| one object | 0.12 | 151 |\n| another | 14 |  |\n',
  );
});

it('a table takes the place of the one before it, and the rest of the document stays', () => {
  const document = 'a\n<!-- bench: parts -->\nold\n<!-- end -->\nb\n<!-- bench: whole -->\nold\n<!-- end -->\nc\n';
  const written = writeTables(document, [table]);
  expect(written).toBe(
    document.replace('b\n<!-- bench: whole -->\nold\n', `b\n<!-- bench: whole -->\n${toMarkdown(table)}`),
  );
  expect(writeTables(written, [table])).toBe(written);
  expect(() => writeTables(document, [{ ...table, name: 'state' }])).toThrow('no place for the table "state"');
});

it('the median of an even number of values is between the middle two', () => {
  expect([median([3]), median([9, 1, 2]), median([4, 1, 2, 9])]).toEqual([3, 2, 3]);
});
