/**
 * What `check` reports beyond "it works": bucket settings, permissions by prefix, the clock, and a test record.
 */
import { getuid } from 'node:process';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { runChecks } from '../../../src/tools/check.ts';
import { runAgent } from '../../support/agent-process.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, s3Place } from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { startS3Server } from '../../support/s3-server.ts';

async function bucketScene() {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3);
  await place.deliver(deliveryKey('1'), auditLines(1));
  await place.deliver(deliveryKey('2'), auditLines(1));
  const bucket = place.source.slice('s3://'.length);
  return { s3, bucket, ...(await deliveryScene(place)) };
}

const lifecycle = (days: number) => `<LifecycleConfiguration>
  <Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix>workspaceId=1/</Prefix></Filter><Expiration><Days>${days}</Days></Expiration></Rule>
  <Rule><ID>b</ID><Status>Disabled</Status><Filter><Prefix></Prefix></Filter><Expiration><Days>1</Days></Expiration></Rule>
</LifecycleConfiguration>`;

it('reports versioning, and warns about rules that remove objects soon', async () => {
  const { s3, bucket, environment } = await bucketScene();
  const before = await runAgent(['check'], environment);
  expect(before.code).toBe(0);
  expect(before.stdout).toMatch(new RegExp(`^-       versioning of ${bucket} is off$`, 'm'));
  expect(before.stdout).toMatch(new RegExp(`^ok      lifecycle of ${bucket} keeps objects for at least 30 days$`, 'm'));
  const put = await fetch(`${s3.endpoint}/${bucket}?lifecycle`, { method: 'PUT', body: lifecycle(7) });
  expect(put.status).toBe(200);
  const { code, stdout } = await runAgent(['check'], environment);
  expect(code).toBe(0);
  expect(stdout.match(/^warning .*$/gm)).toEqual([`warning lifecycle of ${bucket}: objects are removed after 7 days`]);
});

it('passes if it may not read these settings', async () => {
  const { s3, environment } = await bucketScene();
  s3.fail({ operation: 'Other' }, { status: 403, code: 'AccessDenied' });
  const { code, stdout } = await runAgent(['check'], environment);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^- {7}versioning of .*: not checked \(requires s3:GetBucketVersioning\)$/m);
  expect(stdout).toMatch(/^- {7}lifecycle of .*: not checked \(requires s3:GetLifecycleConfiguration\)$/m);
});

it.skipIf(getuid?.() !== 0)(
  'reports that HOME is missing for a user id without a name, and continues with the collector',
  async () => {
    const { environment } = await bucketScene();
    const { code, stdout, stderr } = await runAgent(['check'], environment, { uid: 54_321 });
    expect(code).toBe(1);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^FAILED {2}Could not list .*: the AWS SDK finds no home directory \(HOME is not set/m);
    expect(stdout).toMatch(/^ok {6}http.*accepts OTLP logs$/m);
  },
);

it('fails if one workspace may not be listed, or if the key of the bucket may not be used', async () => {
  const { s3, environment } = await bucketScene();
  s3.fail({ operation: 'ListObjectsV2', path: 'workspaceId=2/' }, { status: 403, code: 'AccessDenied' });
  const listing = await runAgent(['check'], environment);
  expect(listing.code).toBe(1);
  expect(listing.stdout).toMatch(/^FAILED {2}Could not list .*workspaceId=2\/: access denied \(s3:ListBucket\)$/m);
  expect(listing.stdout).toMatch(/^ok {6}s3:.*workspaceId=1.* can be read$/m);
  s3.healAll();
  const message = 'User is not authorized to perform: kms:Decrypt on this resource';
  s3.fail({ operation: 'GetObject' }, { status: 403, code: 'AccessDenied', message });
  const reading = await runAgent(['check'], environment);
  expect(reading.stdout).toMatch(/^FAILED {2}Could not read .*\(kms:Decrypt\)\n {8}Allow kms:Decrypt /m);
});

it('sends a test record on request, and reports its rejection', async () => {
  const { environment, receiver } = await deliveryScene(directoryPlace());
  const { code, stdout } = await runAgent(['check', '--send-record'], environment);
  expect(code).toBe(0);
  expect(stdout).toMatch(/accepts OTLP logs, and accepted one record$/m);
  expect(receiver.accepted.map(({ record }) => record.eventName)).toEqual(['databricks.audit.check']);
  receiver.answerWhen(({ records }) => records.length > 0, answers.status(400, 'no'));
  const refused = await runAgent(['check', '--send-record'], environment);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toMatch(/^FAILED {2}.* is reachable; it rejects a request with one record \(HTTP 400: no\)$/m);
});

it.each([
  ['ahead of', 60_000],
  ['behind', -60_000],
])('warns about a clock that is %s those of S3 and the collector', async (words, skewMs) => {
  const { environment } = await bucketScene();
  for (const [name, value] of Object.entries(environment)) process.env[name] = value;
  onTestFinished(() => {
    for (const name of Object.keys(environment)) delete process.env[name];
  });
  const clock = { ...systemClock, nowMs: () => Date.now() + skewMs };
  const messages: string[] = [];
  for await (const result of runChecks(loadConfiguration(environment), new AbortController().signal, { clock })) {
    if (result.status === 'warning') messages.push(result.message.replace(/\d+/, 'n'));
  }
  expect(messages).toEqual([
    `the clock of this machine is n s ${words} that of S3`,
    `the clock of this machine is n s ${words} that of the collector`,
  ]);
});
