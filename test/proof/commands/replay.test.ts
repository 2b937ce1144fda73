/**
 * Dead letters, from their rejection to their replay.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scrape, urlOf } from '../../support/agent-http.ts';
import { runAgent, startAgent } from '../../support/agent-process.ts';
import { expectNothingLost, expectRepeatsAreEqual, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, deliveryScene, directoryPlace } from '../../support/delivery-place.ts';
import { answers, type ReceivedRequest } from '../../support/otlp-receiver.ts';
import { sumOf } from '../../support/prometheus-text.ts';

const has = (text: string) => (request: ReceivedRequest) => request.records.some(({ body }) => body?.includes(text));

/** Ten lines, of which four were rejected: three as too old, one as too long. */
async function refusedScene(more: Record<string, string> = {}) {
  const place = directoryPlace();
  const scene = await deliveryScene(place, more);
  const lines = [
    ...auditLines(3, 0, {
      kind: 'late',
      requestParams: { list: [1, { a: true }], ratio: 0.5, big: 12345678901234567890n.toString() },
    }),
    ...auditLines(1, 3, { kind: 'long' }),
    ...auditLines(6, 4),
  ];
  await place.deliver(deliveryKey(), lines);
  scene.receiver.answerWhen(has('"late"'), answers.status(400, 'entry too far behind'));
  scene.receiver.answerWhen(has('"long"'), answers.status(413, 'too large'));
  const letters = () => readdirSync(join(scene.stateDirectory, 'dead-letters'));
  return { ...scene, lines, letters };
}

it.each(['http/protobuf', 'http/json'])(
  'sends rejected records again over %s, byte for byte as before',
  async (protocol) => {
    const { environment, receiver, lines, letters } = await refusedScene({ OTEL_EXPORTER_OTLP_PROTOCOL: protocol });
    expect((await runAgent(['ship'], environment)).code).toBe(1);
    expect(receiver.accepted).toHaveLength(6);
    receiver.acceptAgain();
    const dry = await runAgent(['replay', '--dry-run'], environment);
    expect(dry).toMatchObject({ code: 0, stderr: '' });
    expect(dry.stdout.replaceAll(/\d{4}-\d\d-\d\d/g, '<date>').split('\n')).toEqual([
      expect.stringMatching(/^rejected +status +records {2}reason$/),
      expect.stringMatching(/^<date> {2}HTTP 400 +3 {2}HTTP 400: entry too far behind$/),
      expect.stringMatching(/^<date> {2}HTTP 413 +1 {2}HTTP 413: too large$/),
      '',
      '4 dead letters would be resent.',
      '',
    ]);
    expect(receiver.accepted).toHaveLength(6);
    const { code, stdout } = await runAgent(['replay'], environment);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: '4 dead letters resent: 4 accepted, 0 rejected again and kept.\n',
    });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
    expect(letters()).toEqual([]);
    expect((await runAgent(['replay'], environment)).stdout).toMatch(/^0 dead letters resent/);
  },
);

it('selects by reason, status and day, keeps the others, and keeps what is rejected again with the new reason', async () => {
  const { environment, receiver, letters } = await refusedScene();
  await runAgent(['ship'], environment);
  const none = await runAgent(['replay', '--before', '2026-01-01', '--json'], environment);
  expect(JSON.parse(none.stdout)).toMatchObject({ selectedCount: 0, otherCount: 4 });
  receiver.acceptAgain();
  receiver.answerWhen(has('request-1"'), answers.status(400, 'still no'));
  const late = await runAgent(['replay', '--reason', 'FAR behind', '--json'], environment);
  expect(late.code).toBe(1);
  expect(JSON.parse(late.stdout)).toMatchObject({ selectedCount: 3, acceptedCount: 2, refusedCount: 1, otherCount: 1 });
  const { stdout } = await runAgent(['replay', '--dry-run', '--json'], environment);
  expect(
    JSON.parse(stdout).groups.map(({ reason, count }: { reason: string; count: number }) => [reason, count]),
  ).toEqual([
    ['HTTP 400: still no', 1],
    ['HTTP 413: too large', 1],
  ]);
  receiver.acceptAgain();
  expect(JSON.parse((await runAgent(['replay', '--status', '413', '--json'], environment)).stdout)).toMatchObject({
    selectedCount: 1,
    acceptedCount: 1,
  });
  expect(letters()).toHaveLength(1);
  expect(repeatedUids(receiver)).toEqual([]);
  for (const [option, value] of [
    ['--status', 'bad'],
    ['--status', 'INVALID'],
    ['--from', '31.1.2026'],
  ] as const) {
    expect(await runAgent(['replay', option, value], environment)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`${option}: expected `),
    });
  }
});

it('stays visible after a restart, until a replay beside the agent has sent everything', async () => {
  const { environment, receiver } = await refusedScene({ DATABRICKS_AUDIT_POLL_INTERVAL: '1s' });
  const shipped = await runAgent(['ship'], environment);
  expect(shipped.stderr).toContain('4 dead letters are not in the backend');
  expect((await runAgent(['status'], environment)).stdout).toContain('then run: databricks-audit-otel replay');
  const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_HTTP: '127.0.0.1:0' });
  const url = await urlOf(agent);
  const waiting = async () => {
    const samples = await scrape(url);
    return sumOf(samples, 'databricks_audit_dead_letters_waiting');
  };
  const health = async () => await (await fetch(`${url}/readyz`)).json();
  expect(await waiting()).toBe(4);
  expect(await health()).toMatchObject({ complete: false });
  expect(await agent.logged('Dead letters are not in the backend')).toMatchObject({ records: 4 });
  receiver.acceptAgain();
  expect((await runAgent(['replay'], environment)).stdout).toMatch(/^4 dead letters resent: 4 accepted/);
  expect(await waiting()).toBe(0);
  await expect.poll(health).toMatchObject({ complete: true, status: 'idle' });
  await agent.stop();
});

it('repeats only the request that was in flight when it was killed', async () => {
  const { environment, receiver, lines } = await refusedScene({ DATABRICKS_AUDIT_BATCH_RECORDS: '1' });
  await runAgent(['ship'], environment);
  receiver.acceptAgain();
  const before = receiver.requests.length;
  receiver.answerWhen(has('request-2"'), answers.hold(new Promise(() => {})));
  const replay = startAgent(['replay'], environment);
  await replay.until('the third request is in flight', () => receiver.requests.length === before + 3);
  await replay.kill();
  receiver.acceptAgain();
  const rest = await runAgent(['replay', '--json'], environment);
  expect(JSON.parse(rest.stdout)).toMatchObject({ selectedCount: 2, acceptedCount: 2 });
  expectNothingLost(receiver, lines);
  expectRepeatsAreEqual(receiver);
  expect(repeatedUids(receiver)).toEqual([]);
});

it('exits with 1 when it is stopped before its end, and says how much was sent', async () => {
  const { environment, receiver } = await refusedScene({ DATABRICKS_AUDIT_BATCH_RECORDS: '1' });
  await runAgent(['ship'], environment);
  receiver.acceptAgain();
  const before = receiver.requests.length;
  receiver.answerWhen(has('request-2"'), answers.hang());
  const replay = startAgent(['replay', '--json'], environment);
  await replay.until('the third request is in flight', () => receiver.requests.length === before + 3);
  expect(await replay.stop()).toMatchObject({
    code: 1,
    stdout: '',
    stderr:
      'Stopped before the end: 2 dead letters resent: 2 accepted, 0 rejected again and kept. Run replay again for the others.\n',
  });
});

it('skips the file that a running agent is writing, and sends it after the agent has exited', async () => {
  const { environment, receiver, place, lines } = await refusedScene();
  const agent = startAgent(['run'], environment);
  await agent.until('four are dead letters', () => receiver.accepted.length === 6);
  await agent.until('they are on disk', async () =>
    (await runAgent(['replay', '--dry-run'], environment)).stdout.includes('4 dead letters would'),
  );
  const beside = await runAgent(['replay'], environment);
  expect(beside.code).toBe(1);
  expect(beside.stdout).toMatch(/^0 dead letters resent.*\nSkipped because it is in use: .*-1\.jsonl\n$/);
  const later = auditLines(1, 50, { kind: 'late' });
  await place.deliver(deliveryKey('1', 'auditlogs_2.json'), later);
  await agent.until('the agent writes to it again', async () =>
    (await runAgent(['replay', '--dry-run'], environment)).stdout.includes('5 dead letters would'),
  );
  await agent.kill();
  receiver.acceptAgain();
  expect((await runAgent(['replay'], environment)).stdout).toMatch(/^5 dead letters resent: 5 accepted/);
  expectNothingLost(receiver, [...lines, ...later]);
});
