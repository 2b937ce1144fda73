/**
 * What `reconcile` must not call whole, although nothing is known to be missing.
 */
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { DateRange } from '../../../src/contracts/source.ts';
import { reconcile } from '../../../src/tools/reconcile/reconcile.ts';
import { shipHere } from '../../support/agent-here.ts';
import type { Environment } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, s3Place } from '../../support/delivery-place.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());
afterEach(() => server.healAll());

/** Two objects of 3 lines in a bucket, shipped. The tests change the second one. */
async function shippedScene() {
  const place = await s3Place(server);
  const { environment } = await deliveryScene(place);
  const keys = [deliveryKey('1'), deliveryKey('2', 'auditlogs_2.json')] as const;
  for (const [index, key] of keys.entries()) await place.deliver(key, auditLines(3, 3 * index));
  await shipHere(environment);
  const bucket = place.source.slice('s3://'.length);
  return {
    place,
    environment,
    key: keys[1],
    deleteSecond: () => server.delete(bucket, keys[1]),
    deleteAll: () => Promise.all(keys.map((key) => server.delete(bucket, key))),
  };
}

const opening = { operation: 'GetObject', path: /auditlogs_2/ } as const;

async function compare(environment: Environment, dates: DateRange = { from: undefined, before: undefined }) {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  try {
    return await reconcile(loadConfiguration(environment), { dates }, new AbortController().signal);
  } finally {
    vi.unstubAllEnvs();
  }
}

it('proves nothing about an object that is overwritten each time it is read', async () => {
  const { place, environment, key } = await shippedScene();
  let lineCount = 3;
  server.before(opening, () => place.deliver(key, auditLines(++lineCount, 3)));
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: false, unreadable: [], totals: { objectCount: 1, missingCount: 0 } });
  expect(found.changing).toHaveLength(1);
});

it('names an object that is deleted between listing and reading, which is no failure of delivery', async () => {
  const { environment, key, deleteSecond } = await shippedScene();
  server.before({ ...opening, times: 1 }, deleteSecond);
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: true, unreadable: [], changing: [], totals: { objectCount: 1 } });
  expect(found.deleted).toEqual([expect.stringContaining(key)]);
});

it('compares an object that was deleted and delivered again', async () => {
  const { place, environment, key, deleteSecond } = await shippedScene();
  server.before({ ...opening, times: 1 }, deleteSecond);
  server.before({ ...opening, times: 1 }, async () => {
    server.before({ operation: 'ListObjectsV2', times: 1 }, () => place.deliver(key, auditLines(3, 3)));
  });
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: true, changing: [], deleted: [], totals: { objectCount: 2, lineCount: 6 } });
});

it('proves nothing about an object that is listed and gone each time it is read', async () => {
  const { environment } = await shippedScene();
  server.fail(opening, { status: 404, code: 'NoSuchKey' });
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: false, unreadable: [], deleted: [], totals: { objectCount: 1 } });
  expect(found.changing).toHaveLength(1);
});

it('does not take an object for deleted if the second listing fails', async () => {
  const { environment, deleteSecond } = await shippedScene();
  server.before({ ...opening, times: 1 }, async () => {
    await deleteSecond();
    server.fail({ operation: 'ListObjectsV2' }, { status: 403, code: 'AccessDenied' });
  });
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: false, deleted: [], totals: { objectCount: 1 } });
  expect(found.changing).toHaveLength(1);
});

it.each([
  ['nothing', undefined],
  ['only other things', 'readme.txt'],
])('is whole when %s is left of what was shipped, and names the source', async (_, left) => {
  const { place, environment, deleteAll } = await shippedScene();
  await deleteAll();
  if (left !== undefined) await place.deliver(left, ['x']);
  await shipHere(environment);
  const found = await compare(environment);
  expect(found).toMatchObject({ isWhole: true, unreadable: [], totals: { objectCount: 0 } });
  expect(found.notCompared).toEqual([{ name: place.source, status: 'removed' }]);
});

it('is not whole if another source never had an object, and names it with its reason', async () => {
  const { place, environment, deleteAll } = await shippedScene();
  const none = `${place.source}/none`;
  const both = { ...environment, DATABRICKS_AUDIT_SOURCE: `${place.source},${none}` };
  const empty = { name: none, status: 'empty', reason: `There is nothing in ${none} yet` };
  const found = await compare(both);
  expect(found).toMatchObject({ isWhole: false, unreadable: [], totals: { objectCount: 2, missingCount: 0 } });
  expect(found.notCompared).toEqual([{ ...empty, hint: `Try DATABRICKS_AUDIT_SOURCE=${place.source}` }]);
  await deleteAll();
  const second = await compare(both);
  expect(second.isWhole).toBe(false);
  expect(second.notCompared).toMatchObject([{ name: place.source, status: 'removed' }, empty]);
});

it('names a source whose objects have other dates, which proves nothing alone', async () => {
  const { place, environment } = await shippedScene();
  const dates = { from: '2030-01-01', before: undefined };
  const otherDates = { name: place.source, status: 'otherDates' };
  expect(await compare(environment, dates)).toMatchObject({ isWhole: false, notCompared: [otherDates] });
  const later = directoryPlace();
  await later.deliver(deliveryKey('1').replace(/date=[^/]*/, 'date=2030-01-01'), auditLines(1));
  const both = { ...environment, DATABRICKS_AUDIT_SOURCE: `${place.source},${later.source}` };
  await shipHere(both);
  expect(await compare(both, dates)).toMatchObject({
    isWhole: true,
    totals: { objectCount: 1 },
    notCompared: [otherDates],
  });
});

it('hands on what to do about a source that holds other things only', async () => {
  const { place, environment } = await shippedScene();
  await place.deliver('other/readme.txt', ['x']);
  const other = `${place.source}/other`;
  const found = await compare({ ...environment, DATABRICKS_AUDIT_SOURCE: other });
  expect(found).toMatchObject({ isWhole: false, notCompared: [] });
  expect(found.unreadable).toEqual([
    {
      name: other,
      reason: `Found no deliveries in ${other}, but "readme.txt"`,
      hint: `Try DATABRICKS_AUDIT_SOURCE=${place.source}`,
    },
  ]);
});

it('names every reason for which a source could not be listed completely', async () => {
  const place = directoryPlace();
  const { environment } = await deliveryScene(place);
  await place.deliver(deliveryKey('1'), auditLines(3));
  await shipHere(environment);
  const folder = dirname(join(place.source, deliveryKey('1')));
  for (const name of ['first', 'second', 'third']) symlinkSync(join(folder, 'nowhere'), join(folder, `${name}.json`));
  const found = await compare(environment);
  expect(found.isWhole).toBe(false);
  expect(found.unreadable.map(({ name }) => name)).toEqual([place.source, place.source, place.source]);
  for (const name of ['first', 'second', 'third']) {
    expect(found.unreadable.filter(({ reason }) => reason.includes(`${name}.json`))).toHaveLength(1);
  }
});
