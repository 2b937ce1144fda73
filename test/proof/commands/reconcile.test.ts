/**
 * `reconcile` as an auditor uses it: compares the bucket with the state and with a backend.
 */
import { existsSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Environment, runAgent, startAgent } from '../../support/agent-process.ts';
import { startElasticsearchServer, startLokiServer } from '../../support/backend-servers.ts';
import { changeState } from '../../support/change-state.ts';
import { expectNothingLost, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace, s3Place } from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { startS3Server } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

/** Two workspaces, shipped: 7 lines in two objects, and 4 compressed ones. */
async function shippedScene() {
  const place = directoryPlace();
  const scene = await deliveryScene(place);
  await place.deliver(deliveryKey('1'), auditLines(5));
  await place.deliver(deliveryKey('1', 'auditlogs_2.json', '2026-02-01'), auditLines(2, 100));
  await place.deliver(deliveryKey('2', 'auditlogs_3.json.gz'), auditLines(4, 200, { workspaceId: '2' }));
  expect(await runAgent(['ship'], scene.environment)).toMatchObject({ code: 0 });
  expect(scene.receiver.accepted).toHaveLength(11);
  return { ...scene, root: place.source };
}

async function reconcileJson(environment: Environment, ...more: string[]) {
  const { code, stdout, stderr } = await runAgent(['reconcile', '--json', ...more], environment);
  return { code, stderr, found: stdout === '' ? undefined : JSON.parse(stdout) };
}

it('accounts for every line of every workspace and date, and exits with 0', async () => {
  const { environment } = await shippedScene();
  const { code, stdout, stderr } = await runAgent(['reconcile'], environment);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toBe(`workspace  date        objects  lines  accepted  dead-lettered  in flight  missing
        1  2026-01-31        1      5         5              0          0        0
        1  2026-02-01        1      2         2              0          0        0
        2  2026-01-31        1      4         4              0          0        0
total                        3     11        11              0          0        0

All 11 lines accounted for.
`);
  const january = await reconcileJson(environment, '--before', '2026-02-01');
  expect(january.found.totals).toMatchObject({ objectCount: 2, lineCount: 9 });
});

it('names the object and its first missing line, and repairs that and nothing else', async () => {
  const { environment, receiver, place } = await shippedScene();
  await place.deliver(deliveryKey('1'), auditLines(8));
  const before = await runAgent(['reconcile'], environment);
  expect(before.code).toBe(1);
  expect(before.stdout).toMatch(/auditlogs_1\.json: 3 lines missing; first at line 6, uid [0-9a-f]{64}$/m);
  expect(before.stdout).toContain('3 of 14 lines not accounted for.');

  const repair = await runAgent(['reconcile', '--repair'], environment);
  expect(repair.code).toBe(0);
  expect(repair.stdout).toContain('All 14 lines accounted for. 3 lines shipped by this repair.');
  expectNothingLost(receiver, [...auditLines(8), ...auditLines(2, 100), ...auditLines(4, 200, { workspaceId: '2' })]);
  expect(repeatedUids(receiver)).toEqual([]);
  expect((await reconcileJson(environment)).code).toBe(0);
});

/** By name: objects are shipped in parallel, so their order differs between runs. */
const tampered = "object_id = (SELECT object_id FROM object WHERE uri LIKE '%/auditlogs_1.json')";
const firstHashes = `line_hashes_id = (SELECT min(line_hashes_id) FROM line_hashes WHERE ${tampered})`;

it.each([
  ['lost the hashes of some lines', `UPDATE line_hashes SET hashes = substr(hashes, 1, 8) WHERE ${firstHashes}`, 2],
  [
    'has the hash of another line',
    `UPDATE line_hashes SET hashes = CAST(x'0102030405060708' || substr(hashes, 9) AS BLOB) WHERE ${firstHashes}`,
    1,
  ],
  ['does not know an object', `DELETE FROM line_hashes WHERE ${tampered}; DELETE FROM object WHERE ${tampered}`, 5],
])('finds and repairs what the agent would never read again: the state %s', async (_what, sql, missingCount) => {
  const { environment, receiver, stateDirectory } = await shippedScene();
  changeState(stateDirectory, sql);
  const { code, found } = await reconcileJson(environment);
  expect(code).toBe(1);
  expect(found.totals.missingCount).toBe(missingCount);
  expect(found.differences).toEqual([
    expect.objectContaining({ object: expect.stringContaining('auditlogs_1.json'), missingCount }),
  ]);
  expect((await runAgent(['reconcile', '--repair'], environment)).code).toBe(0);
  expect(receiver.accepted).toHaveLength(11 + missingCount);
  expect((await reconcileJson(environment)).code).toBe(0);
});

it('verifies objects older than the lookback window by digest, and reports if that is not possible', async () => {
  const { environment, place, stateDirectory } = await shippedScene();
  changeState(stateDirectory, 'UPDATE object SET has_line_hashes = 0; DELETE FROM line_hashes');
  expect((await reconcileJson(environment)).code).toBe(0);
  await place.deliver(deliveryKey('1'), auditLines(6));
  expect((await reconcileJson(environment)).found.totals).toMatchObject({ missingCount: 1, unverifiedCount: 0 });
  await place.deliver(deliveryKey('1'), auditLines(6).reverse());
  const { code, found } = await reconcileJson(environment);
  expect(code).toBe(1);
  expect(found.totals).toMatchObject({ missingCount: 0, unverifiedCount: 6 });
  const { stdout } = await runAgent(['reconcile'], environment);
  expect(stdout).toMatch(
    /auditlogs_1\.json: 6 lines cannot be verified: the object was rewritten after the look-back$/m,
  );
  expect((await runAgent(['reconcile', '--repair'], environment)).code).toBe(0);
});

it('counts settled lines that are no longer in the object, but not as a difference', async () => {
  const { environment, place } = await shippedScene();
  await place.deliver(deliveryKey('1'), auditLines(2));
  const { code, found } = await reconcileJson(environment);
  expect(code).toBe(0);
  expect(found.totals).toMatchObject({ goneCount: 3, missingCount: 0 });
});

it('counts dead letters as accounted for but not delivered, and lines in flight not as a difference', async () => {
  const { environment, receiver, place } = await shippedScene();
  const poison = auditLines(1, 300, { actionName: 'poison' });
  receiver.answerWhen(({ records }) => records.some(({ body }) => body?.includes('poison')), answers.status(400, 'no'));
  receiver.answerWhen(({ records }) => records.some(({ body }) => body?.includes('request-400')), answers.hang());
  await place.deliver(deliveryKey('3', 'auditlogs_4.json'), poison);
  await place.deliver(deliveryKey('4', 'auditlogs_5.json'), auditLines(2, 400));
  const agent = startAgent(['run'], environment);
  await agent.until('the last one is in flight', () => receiver.requests.at(-1)?.records.length === 2);
  await agent.until('the dead letter is settled', async () => (await reconcileJson(environment)).code === 3);
  const { found } = await reconcileJson(environment);
  expect(found.totals).toMatchObject({
    lineCount: 14,
    acceptedCount: 11,
    deadLetteredCount: 1,
    undeliveredCount: 1,
    inFlightCount: 2,
    missingCount: 0,
  });
  expect((await runAgent(['reconcile'], environment)).stdout).toContain(
    '2 lines in flight, so without an outcome yet.',
  );
  const repair = await runAgent(['reconcile', '--repair'], environment);
  expect(repair).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^ERR_STATE_LOCKED: /m) });
});

it('tells what is accounted for from what is delivered, until the dead letters are replayed', async () => {
  const { environment, receiver, place } = await shippedScene();
  receiver.answerWhen(({ records }) => records.some(({ body }) => body?.includes('poison')), answers.status(400, 'no'));
  await place.deliver(deliveryKey('3', 'auditlogs_4.json'), auditLines(2, 300, { actionName: 'poison' }));
  expect((await runAgent(['ship'], environment)).code).toBe(1);
  const loki = await startLokiServer(() => receiver.accepted);
  const against = ['--against', `loki=${loki.url}`];
  for (const options of [[], against]) {
    const { code, stdout } = await runAgent(['reconcile', ...options], environment);
    expect(code).toBe(3);
    expect(stdout).toMatch(/missing {2}not delivered/);
    expect(stdout).toContain(
      'All 13 lines accounted for, but not all delivered. 2 dead letters not delivered: fix the cause, then run databricks-audit-otel replay.',
    );
  }
  receiver.acceptAgain();
  expect((await runAgent(['replay'], environment)).code).toBe(0);
  for (const options of [[], against]) expect((await runAgent(['reconcile', ...options], environment)).code).toBe(0);
});

it('sends again what the backend lost, and says so', async () => {
  const { environment, receiver } = await shippedScene();
  const lost = new Set(receiver.accepted.slice(0, 4));
  const loki = await startLokiServer(() => receiver.accepted.filter((record) => !lost.has(record)));
  const against = ['--against', `loki=${loki.url}`];
  const before = await runAgent(['reconcile', ...against], environment);
  expect(before.code).toBe(1);
  expect(before.stdout).toContain(
    `All 11 lines accounted for, but Loki at ${loki.url} does not have 4 accepted lines. To send them again, add --repair; if the state is in a directory, stop the agent first.`,
  );
  const repair = await runAgent(['reconcile', ...against, '--repair'], environment);
  expect(repair.code).toBe(0);
  expect(repair.stdout).toContain('11 of 11 accepted lines found, 0 missing, 0 duplicates');
  expect(repair.stdout).toContain('sent again: 4 lines, byte for byte as the first time');
  const hashes = (records: Iterable<{ bytesHash: string }>) => [...records].map(({ bytesHash }) => bytesHash).sort();
  expect(hashes(receiver.accepted.slice(11))).toEqual(hashes(lost));
  expect((await runAgent(['reconcile', ...against], environment)).code).toBe(0);
});

it('does not count recently delivered lines as accounted for, nor as missing', async () => {
  const { environment, place, root } = await shippedScene();
  const key = deliveryKey('5', 'auditlogs_6.json');
  await place.deliver(key, auditLines(2, 500));
  expect((await reconcileJson(environment)).code).toBe(1);
  const now = new Date();
  utimesSync(join(root, key), now, now);
  const { code, found } = await reconcileJson(environment);
  expect(code).toBe(0);
  expect(found.totals).toMatchObject({ waitingCount: 2, missingCount: 0 });
  const { stdout } = await runAgent(['reconcile'], environment);
  expect(stdout).toMatch(/ missing {2}not due yet$/m);
  expect(stdout).toContain('\n11 of 13 lines accounted for, 2 not due yet.\n');
});

it('proves nothing when no line is due yet, and exits with 1', async () => {
  const place = directoryPlace();
  const { environment, receiver } = await deliveryScene(place);
  await runAgent(['ship'], environment);
  await place.deliver(deliveryKey(), auditLines(2));
  const now = new Date();
  utimesSync(join(place.source, deliveryKey()), now, now);
  const { code, stdout } = await runAgent(['reconcile'], environment);
  expect(receiver.accepted).toEqual([]);
  expect(stdout).toContain('\n0 of 2 lines accounted for, 2 not due yet, so nothing is proved.\n');
  expect(code).toBe(1);
});

it('reads a bucket, and names what it cannot read', async () => {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3);
  const { environment } = await deliveryScene(place);
  await place.deliver(deliveryKey('1'), auditLines(5));
  await place.deliver(deliveryKey('2', 'auditlogs_2.json.gz'), auditLines(3, 200));
  await runAgent(['ship'], environment);
  expect((await reconcileJson(environment)).code).toBe(0);
  s3.before({ operation: 'GetObject', path: /auditlogs_1/, times: 1 }, () =>
    place.deliver(deliveryKey('1'), auditLines(6)),
  );
  const overwritten = await reconcileJson(environment);
  expect(overwritten).toMatchObject({ code: 0, found: { totals: { lineCount: 9, waitingCount: 1 }, changing: [] } });
  s3.fail({ operation: 'GetObject', path: /auditlogs_2/ }, { status: 403, code: 'AccessDenied' });
  const { code, found } = await reconcileJson(environment);
  expect(code).toBe(1);
  expect(found.unreadable).toEqual([
    {
      name: expect.stringContaining('auditlogs_2'),
      reason: expect.stringContaining('access denied'),
      hint: expect.stringContaining('s3:GetObject'),
    },
  ]);
});

it('names and counts what is deleted between listing and reading, and exits with 0', async () => {
  const s3 = await startS3Server();
  onTestFinished(() => s3.stop());
  const place = await s3Place(s3, 'retention');
  const { environment } = await deliveryScene(place);
  const deleted = deliveryKey('2', 'auditlogs_2.json');
  await place.deliver(deliveryKey('1'), auditLines(5));
  await place.deliver(deleted, auditLines(3, 200));
  await runAgent(['ship'], environment);
  s3.before({ operation: 'GetObject', path: deleted }, () => s3.delete('retention', deleted));
  const { code, stdout } = await runAgent(['reconcile'], environment);
  expect(code).toBe(0);
  expect(stdout).toContain(`Deleted during the comparison, so not compared: 1\n  s3://retention/${deleted}\n`);
  expect(stdout).toContain('All 5 lines accounted for. 1 object deleted during the comparison, so not compared.');
});

it('finds every accepted line in Loki, page by page, and names the first missing one', async () => {
  const { environment, receiver, place } = await shippedScene();
  const noTime = '{"serviceName":"clusters"}';
  await place.deliver(deliveryKey('1', 'auditlogs_7.json'), [noTime, noTime]);
  receiver.answerWhen(
    ({ records }) => records.some(({ body }) => body?.includes('request-777')),
    answers.status(400, 'no'),
  );
  await place.deliver(deliveryKey('1', 'auditlogs_8.json'), auditLines(1, 777));
  await runAgent(['ship'], environment);
  let records = [...receiver.accepted];
  const loki = await startLokiServer(() => records);
  const against = ['--against', `loki=${loki.url}`];
  const whole = await reconcileJson(
    { ...environment, DATABRICKS_AUDIT_AGAINST_HEADERS: 'x-scope-orgid=audit' },
    ...against,
  );
  expect(whole).toMatchObject({ code: 3, found: { totals: { expectedInBackendCount: 13, missingInBackendCount: 0 } } });
  expect(loki.requests[0]?.headers).toMatchObject({ 'x-scope-orgid': 'audit' });

  const lost = records[3];
  records = [...records.filter((record) => record !== lost), ...records.slice(0, 2)];
  const { code, stdout } = await runAgent(['reconcile', ...against], environment);
  expect(code).toBe(1);
  expect(stdout).toContain(`Loki at ${loki.url}: 12 of 13 accepted lines found, 1 missing, 2 duplicates`);
  expect(stdout).toContain(`first missing: uid ${lost?.uid} in file://`);
});

it.each([[false], [true]])('finds every accepted line in Elasticsearch, the uid being the _id: %s', async (uidIsId) => {
  const { environment, receiver } = await shippedScene();
  let records = [...receiver.accepted];
  const elasticsearch = await startElasticsearchServer(() => records, { uidIsId });
  elasticsearch.failNext(503);
  const against = ['--against', `elasticsearch=${elasticsearch.url}/logs-audit*`];
  expect(await reconcileJson(environment, ...against)).toMatchObject({
    code: 0,
    found: { totals: { expectedInBackendCount: 11, missingInBackendCount: 0 } },
  });
  expect(elasticsearch.requests.at(-1)?.path).toBe('/logs-audit*/_search');
  const [lost, ...others] = records;
  records = others;
  const { code, found } = await reconcileJson(environment, ...against);
  expect(code).toBe(1);
  expect(found.backend.firstMissing).toMatchObject({ uid: lost?.uid });
});

it('explains what it cannot compare', async () => {
  const { environment } = await shippedScene();
  const noState = await runAgent(['reconcile'], { ...environment, DATABRICKS_AUDIT_STATE: '/no/such/state' });
  expect(noState).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^ERR_STATE_NOT_FOUND: /) });
  for (const [options, words] of [
    [['--from', 'yesterday'], '--from: expected a date such as 2026-01-31, got "yesterday"'],
    [['--against', 'splunk=http://x'], '--against: expected loki=<url> or elasticsearch=<url>'],
    [['--against', 'loki=http://user:hunter2@x'], '--against: expected a URL without user name and password'],
  ] as const) {
    // Nothing is opened for it, so no state is created or missed.
    const elsewhere = { ...environment, DATABRICKS_AUDIT_STATE: join(temporaryDirectory(), 'state') };
    const commandLines = [
      ['reconcile', ...options],
      ['reconcile', ...options, '--repair'],
    ];
    for (const { code, stderr } of await Promise.all(commandLines.map((line) => runAgent(line, elsewhere)))) {
      expect(code).toBe(2);
      expect(stderr).toContain(words);
      expect(stderr).not.toContain('hunter2');
    }
    expect(existsSync(elsewhere.DATABRICKS_AUDIT_STATE)).toBe(false);
  }
  const unreachable = await runAgent(['reconcile', '--against', 'loki=http://127.0.0.1:9'], environment);
  expect(unreachable).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^ERR_BACKEND_READ: Loki at .* could not be queried: /),
  });
});
