import { expect, test } from 'vitest';
import { steps } from '../../src/contracts/step.ts';
import { committedTable, killPoints, moments, pointsOfTable } from '../support/kill-table.ts';

test('the kill table of docs/delivery.md has a row for each step and moment and no others; run npm run kill-table', () => {
  const points = pointsOfTable(committedTable());
  expect(points).toEqual(killPoints.map(([point]) => point));
  expect([...points].sort()).toEqual([...steps, ...moments].sort());
});

test('no row of the kill table has lost lines', () => {
  const lost = [...committedTable().matchAll(/^\| \*\*.*/gm)].map(([row]) => row.split(' | ')[4]);
  expect(new Set(lost)).toEqual(new Set(['0']));
});
