/**
 * Smoke tests of the real process: it ships, follows overwrites, survives SIGKILL, reports health, and explains wrong settings.
 * `npm run proof` has the details.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { urlOf } from './support/agent-http.ts';
import { runAgent, startAgent } from './support/agent-process.ts';
import { expectNothingLost, expectRepeatsAreEqual, repeatedUids } from './support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, s3Place } from './support/delivery-place.ts';
import { answers } from './support/otlp-receiver.ts';
import { startS3Server } from './support/s3-server.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const sample = fileURLToPath(new URL('../examples/sample-delivery/', import.meta.url));

it.each(['1', '2'])(
  'ships the sample delivery, of the overwritten object the added lines, and then nothing (workers: %s)',
  async (workers) => {
    const source = join(temporaryDirectory(), 'bucket');
    const place = { source, environment: {}, deliver: async () => {} };
    const { environment, receiver } = await deliveryScene(place, { DATABRICKS_AUDIT_WORKERS: workers });
    for (const [delivery, arrived] of [
      ['delivered', 15],
      ['overwritten', 17],
      ['overwritten', 17],
    ] as const) {
      cpSync(join(sample, delivery), source, { recursive: true });
      expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0, stdout: '' });
      expect(receiver.accepted).toHaveLength(arrived);
    }
    expect(repeatedUids(receiver)).toEqual([]);
  },
);

it('follows a bucket, is killed while a request is under way, and goes on with the same records', async () => {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3);
  const { environment, receiver } = await deliveryScene(place);
  await place.deliver(deliveryKey(), auditLines(6));
  receiver.answerWhen(({ index }) => index >= 1, answers.hang());
  const agent = startAgent(['run'], environment);
  await receiver.requestCount(2);
  await agent.kill();
  receiver.acceptAgain();
  await place.deliver(deliveryKey(), auditLines(12));
  const again = startAgent(['run'], environment);
  await again.until('everything has arrived', () => new Set(receiver.acceptedUids()).size === 12);
  expect(await again.stop()).toMatchObject({ code: 0 });
  expectNothingLost(receiver, auditLines(12));
  expectRepeatsAreEqual(receiver);
});

it('is ready, and its metrics count what was accepted', async () => {
  const place = { source: join(sample, 'delivered'), environment: {}, deliver: async () => {} };
  const { environment, receiver } = await deliveryScene(place, { DATABRICKS_AUDIT_HTTP: '127.0.0.1:0' });
  const agent = startAgent(['run'], environment);
  await agent.until('everything has arrived', () => receiver.accepted.length === 15);
  const url = await urlOf(agent);
  await agent.until('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
  expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^databricks_audit_lines_accepted_total\{.*\} \d+$/m);
  expect(await agent.stop()).toMatchObject({ code: 0 });
});

it('explains every wrong setting at once and ends with 2', async () => {
  const { code, stdout, stderr } = await runAgent(['run'], {
    DATABRICKS_AUDIT_POLL_INTERVAL: 'often',
    DATABRICKS_AUDIT_START: 'yesterday',
  });
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  for (const name of ['DATABRICKS_AUDIT_SOURCE', 'DATABRICKS_AUDIT_POLL_INTERVAL', 'DATABRICKS_AUDIT_START'])
    expect(stderr).toContain(`${name}: `);
});
