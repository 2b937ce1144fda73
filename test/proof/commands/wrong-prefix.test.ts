/**
 * A location that holds something but no delivery is a failure of every command; one that holds nothing waits.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { urlOf } from '../../support/agent-http.ts';
import { type Environment, runAgent, startAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, s3Place } from '../../support/delivery-place.ts';
import { startS3Server } from '../../support/s3-server.ts';

async function bucket() {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3);
  return { ...place, remove: (key: string) => s3.delete(place.source.slice('s3://'.length), key) };
}

async function directory() {
  const place = directoryPlace();
  return { ...place, remove: async (key: string) => rmSync(join(place.source, key)) };
}

async function readyz(environment: Environment) {
  const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_HTTP: '127.0.0.1:0' });
  const url = await urlOf(agent);
  const answer = async () => {
    const response = await fetch(`${url}/readyz`);
    return { status: response.status, body: await response.text() };
  };
  await expect.poll(async () => (await answer()).body).not.toContain('"status":"starting"');
  const last = await answer();
  await agent.stop();
  return last;
}

describe.each([
  ['a bucket', bucket],
  ['a directory', directory],
])('%s', (_name, createPlace) => {
  it('is refused by all commands when the prefix is wrong, with the one that would work', async () => {
    const place = await createPlace();
    await place.deliver(`audit/${deliveryKey('1')}`, auditLines(3));
    await place.deliver('exports/table/part-1.parquet', ['x']);
    const { environment, receiver } = await deliveryScene(place);
    const wrong = { ...environment, DATABRICKS_AUDIT_SOURCE: `${place.source}/exports` };
    const right = { ...environment, DATABRICKS_AUDIT_SOURCE: `${place.source}/audit` };
    const suggestion = `Try DATABRICKS_AUDIT_SOURCE=${place.source}/audit`;
    const check = await runAgent(['check'], wrong);
    expect(check).toMatchObject({ code: 1, stdout: expect.stringContaining(suggestion) });
    expect(check.stdout).toMatch(/^FAILED {2}Found no deliveries in /m);
    expect(await runAgent(['ship'], wrong)).toMatchObject({ code: 1, stderr: expect.stringContaining(suggestion) });
    const ready = await readyz(wrong);
    expect(ready).toMatchObject({ status: 503, body: expect.stringContaining(suggestion) });
    expect(ready.body).not.toContain('has been shipped');
    const reconcile = await runAgent(['reconcile'], wrong);
    expect(reconcile).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Nothing was compared, so nothing is proved.'),
    });
    expect(reconcile.stdout).toContain(`\n    ${suggestion}\n`);
    expect(receiver.accepted).toHaveLength(0);
    expect(await runAgent(['check'], right)).toMatchObject({ code: 0 });
    expect(await runAgent(['ship'], right)).toMatchObject({ code: 0 });
  });

  it('is no failure when everything that was shipped has been removed, nor is it waited for', async () => {
    const place = await createPlace();
    await place.deliver(deliveryKey('1'), auditLines(3));
    const { environment } = await deliveryScene(place);
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    await place.remove(deliveryKey('1'));
    for (const left of [undefined, 'readme.txt']) {
      if (left !== undefined) await place.deliver(left, ['x']);
      const check = await runAgent(['check'], environment);
      expect(check).toMatchObject({ code: 0, stdout: expect.stringContaining('have been removed') });
      const ship = await runAgent(['ship'], environment);
      expect(ship.code).toBe(0);
      expect(ship.stderr).not.toContain('first delivery');
      const ready = await readyz(environment);
      expect(ready.status).toBe(200);
      expect(ready.body).not.toContain('first delivery');
      expect(await runAgent(['reconcile'], environment)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining(
          'Nothing is left to compare: the objects that the state knows have been removed.',
        ),
      });
    }
  });

  it('waits for the first delivery when it is empty, and proves nothing', async () => {
    const place = await createPlace();
    if (!place.source.startsWith('s3:')) mkdirSync(join(place.source, 'new'));
    const { environment } = await deliveryScene(place, { DATABRICKS_AUDIT_SOURCE: `${place.source}/new` });
    expect(await runAgent(['check'], environment)).toMatchObject({ code: 0 });
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    const ready = await readyz(environment);
    expect(ready).toMatchObject({ status: 200, body: expect.stringContaining('waiting for the first delivery') });
    expect(await runAgent(['reconcile'], environment)).toMatchObject({ code: 1 });
  });
});
