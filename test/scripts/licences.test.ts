import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isCompatible, shippedPackages } from '../../scripts/licences.ts';

const lock = readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8');

test('every shipped dependency has a licence that is compatible with Apache-2.0', () => {
  const shipped = shippedPackages(lock);
  expect(shipped.map(({ name }) => name)).toEqual(expect.arrayContaining(['@aws-sdk/client-s3', 'undici', 'zod']));
  expect(shipped.map(({ name }) => name)).not.toContain('vitest');
  expect(shipped.filter(({ licence }) => !isCompatible(licence))).toEqual([]);
});

test.each([
  ['MIT', true],
  ['(MIT OR GPL-3.0-only)', true],
  ['MIT AND BSD-3-Clause', true],
  ['MIT AND GPL-3.0-only', false],
  ['GPL-3.0-only', false],
  ['SEE LICENSE IN LICENSE', false],
  [undefined, false],
])('the licence %s is compatible: %s', (licence, expected) => {
  expect(isCompatible(licence)).toBe(expected);
});
