/**
 * What `check` says about a source whose objects have been removed since they were shipped.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { runChecks } from '../../src/tools/check.ts';
import { shipHere } from '../support/agent-here.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace } from '../support/delivery-place.ts';

it.each([
  ['is empty', []],
  ['holds other things', ['readme.txt']],
])('says that they are gone, and does not wait for the first delivery, if it %s', async (_, others) => {
  const place = directoryPlace();
  const { environment } = await deliveryScene(place);
  await place.deliver(deliveryKey('1'), auditLines(3));
  for (const name of others) await place.deliver(name, ['x']);
  const check = async () => {
    const results = await Array.fromAsync(runChecks(loadConfiguration(environment), new AbortController().signal));
    return results.filter(({ message }) => message.includes(place.source));
  };
  await shipHere(environment);
  rmSync(join(place.source, deliveryKey('1')));
  const expected = {
    status: 'warning',
    message: `${place.source} can be listed, and the objects that the state knows have been removed`,
  };
  expect(await check()).toMatchObject([expected]);
  rmSync(environment.DATABRICKS_AUDIT_STATE ?? '', { recursive: true });
  expect((await check()).map(({ status }) => status)).toEqual([others.length > 0 ? 'failed' : 'warning']);
  expect(await check()).not.toMatchObject([expected]);
});
