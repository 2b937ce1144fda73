/**
 * What `reconcile` must not call whole, although nothing is known to be missing.
 */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { reconcile } from '../../../src/tools/reconcile/reconcile.ts';
import { shipHere } from '../../support/agent-here.ts';
import { auditLines, deliveryKey, deliveryScene, s3Place } from '../../support/delivery-place.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());

it('proves nothing about an object that is overwritten each time it is read', async () => {
  const place = await s3Place(server);
  const { environment } = await deliveryScene(place);
  await place.deliver(deliveryKey('1'), auditLines(3));
  await place.deliver(deliveryKey('2', 'auditlogs_2.json'), auditLines(3, 3));
  await shipHere(environment);
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  let lineCount = 3;
  server.before({ operation: 'GetObject', path: /auditlogs_2/ }, () =>
    place.deliver(deliveryKey('2', 'auditlogs_2.json'), auditLines(++lineCount, 3)),
  );
  const dates = { from: undefined, before: undefined };
  const found = await reconcile(loadConfiguration(environment), { dates }, new AbortController().signal);
  vi.unstubAllEnvs();
  expect(found).toMatchObject({ isWhole: false, unreadable: [], totals: { objectCount: 1, missingCount: 0 } });
  expect(found.changing).toHaveLength(1);
});
