import { expect, test } from 'vitest';
import { sharedSteps, steps } from '../../src/contracts/step.ts';
import { committedTable, killPoints, moments, pointsOfTable } from '../support/kill-table.ts';
import { committedReplicaTable, replicaPoints } from '../support/replica-table.ts';

test('the kill table of docs/delivery.md has a row for each step and moment and no others; run npm run kill-table', () => {
  const points = pointsOfTable(committedTable());
  expect(points).toEqual(killPoints.map(([point]) => point));
  expect([...points].sort()).toEqual([...steps, ...moments].sort());
});

test('no row of the kill table has lost lines', () => {
  const lost = [...committedTable().matchAll(/^\| \*\*.*/gm)].map(([row]) => row.split(' | ')[4]);
  expect(new Set(lost)).toEqual(new Set(['0']));
});

test('the table of docs/replicas.md has a row for each step of a shared state, and nothing in it was lost, changed or settled twice', () => {
  const table = committedReplicaTable();
  const points = pointsOfTable(table);
  expect(points).toEqual(replicaPoints.map(([point]) => point));
  expect(points).toEqual(expect.arrayContaining([...sharedSteps, ...moments]));
  const rows = [...table.matchAll(/^\| \*\*.*/gm)].map(([row]) => row.split(' | '));
  for (const [point, lost, , , otherBytes, settledTwice] of rows)
    expect([lost, otherBytes, settledTwice], point).toEqual(['0', '0', '0']);
});
