/**
 * `reconcile --against --repair`, with the agent and the backend in this process: what a backend has lost is sent again byte for
 * byte, whatever has happened to the object since.
 */
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { type Agent, createAgent } from '../../../src/agent/agent.ts';
import { loadConfiguration } from '../../../src/config/index.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { backendAt, reconcile } from '../../../src/tools/reconcile/reconcile.ts';
import { shipHere } from '../../support/agent-here.ts';
import type { Environment } from '../../support/agent-process.ts';
import { startElasticsearchServer, startLokiServer } from '../../support/backend-servers.ts';
import { changeState } from '../../support/change-state.ts';
import {
  auditLines,
  type DeliveryScene,
  deliveryKey,
  deliveryScene,
  directoryPlace,
} from '../../support/delivery-place.ts';
import { answers, type OtlpReceiver, type ReceivedRecord } from '../../support/otlp-receiver.ts';
import { fc } from '../../support/property-tests.ts';

const never = new AbortController().signal;

async function withAgent<Result>(environment: Environment, work: (agent: Agent) => Promise<Result>): Promise<Result> {
  const configuration = loadConfiguration({ DATABRICKS_AUDIT_SILENCE_AFTER: '0', ...environment });
  const dependencies = { logger: silentLogger, stdout: new PassThrough(), graceMs: 0 };
  const agent = await createAgent(configuration, dependencies, 'oneShot');
  try {
    return await work(agent);
  } finally {
    await agent.close();
  }
}

/** Ships until the collector has stored a request, whose response is lost. */
async function shipInterrupted({ environment, receiver }: DeliveryScene): Promise<void> {
  const stop = new AbortController();
  const stopAfterward = receiver.answerWhen(() => true, answers.loseAnswer());
  await withAgent(environment, async (agent) => {
    const shipping = agent.shipOnce(stop.signal).catch(() => {});
    const before = receiver.requests.length;
    await Promise.race([shipping, receiver.requestCount(before + 1)]);
    stop.abort(new Error('interrupted'));
    await shipping;
  });
  stopAfterward();
}

function compare(environment: Environment, against: string) {
  const configuration = loadConfiguration(environment);
  const backend = backendAt(against, configuration);
  return reconcile(configuration, { dates: { from: undefined, before: undefined }, backend }, never);
}

function repair(environment: Environment, against: string) {
  const dates = { from: undefined, before: undefined };
  const configuration = loadConfiguration(environment);
  return withAgent(environment, (agent) =>
    reconcile(
      configuration,
      {
        dates,
        backend: backendAt(against, configuration),
        repair: {
          shipMissing: async (object) => void (await agent.shipAgain(object, never)),
          sendAgain: (lines) => agent.sendAgain(lines, never),
        },
      },
      never,
    ),
  );
}

/** Uid and bytes of each record, once. */
function contentsOf(records: readonly ReceivedRecord[]): string[] {
  return [...new Set(records.map(({ uid, bytesHash }) => `${uid} ${bytesHash}`))].sort();
}

/** A Loki that holds what the collector has accepted, and loses it on request. */
async function forgetfulLoki(receiver: OtlpReceiver) {
  let lost: ReadonlySet<ReceivedRecord> = new Set();
  const loki = await startLokiServer(() => receiver.accepted.filter((record) => !lost.has(record)));
  return {
    against: `loki=${loki.url}`,
    requests: loki.requests,
    lose(loses: (record: ReceivedRecord, index: number) => boolean): ReceivedRecord[] {
      lost = new Set(receiver.accepted.filter(loses));
      return [...lost];
    },
  };
}

it('sends again what the backend lost, byte for byte, after crash, extension and rewriting of the object', async () => {
  const place = directoryPlace();
  const scene = await deliveryScene(place);
  const { environment, receiver } = scene;
  const [first = '', ...others] = auditLines(7);
  await place.deliver(deliveryKey(), [first, ...others, first]);
  await shipHere(environment);
  await place.deliver(deliveryKey(), [first, ...others, first, ...auditLines(5, 7)]);
  await shipInterrupted(scene);
  const all = [...auditLines(4, 20), ...auditLines(12).toReversed(), first, first, '{"serviceName":"no time"}'];
  await place.deliver(deliveryKey(), all);
  await shipHere(environment);

  const loki = await forgetfulLoki(receiver);
  const sent = loki.lose(() => true);
  expect(new Set(sent.map(({ record }) => record.observedTimeUnixNano)).size).toBe(3);
  expect((await compare(environment, loki.against)).totals).toMatchObject({ missingInBackendCount: all.length });

  const repaired = await repair(environment, loki.against);
  expect(repaired).toMatchObject({
    isWhole: true,
    totals: { resentCount: all.length, resentDifferentlyCount: 0, missingInBackendCount: 0, missingCount: 0 },
  });
  const resent = receiver.accepted.slice(sent.length);
  expect(resent).toHaveLength(all.length);
  expect(contentsOf(resent)).toEqual(contentsOf(sent));
  const again = await compare(environment, loki.against);
  expect(again).toMatchObject({ isWhole: true, backend: { firstMissing: undefined, repeatedCount: 0 } });
});

it('sends again exactly what was lost, whatever the history of the object', async () => {
  const change = fc.oneof(
    fc.record({ kind: fc.constant('extend' as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constantFrom('repeat', 'reverse', 'redeliver') }),
  );
  const visit = fc.record({ change, isInterrupted: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(
      fc.array(visit, { minLength: 2, maxLength: 5 }),
      fc.infiniteStream(fc.boolean()),
      async (visits, losses) => {
        const place = directoryPlace();
        const scene = await deliveryScene(place);
        let lines = auditLines(4);
        for (const { change, isInterrupted } of visits) {
          if ('count' in change) lines = [...lines, ...auditLines(change.count, lines.length)];
          if (change.kind === 'repeat') lines = [...lines, ...lines.slice(0, 2)];
          if (change.kind === 'reverse') lines = lines.toReversed();
          await place.deliver(deliveryKey(), lines);
          if (isInterrupted) await shipInterrupted(scene);
          else await shipHere(scene.environment);
        }
        await shipHere(scene.environment);

        const { environment, receiver } = scene;
        const everything = contentsOf(receiver.accepted);
        const lostUids = new Set(receiver.acceptedUids().filter(() => losses.next().value === true));
        const loki = await forgetfulLoki(receiver);
        loki.lose(({ uid = '' }) => lostUids.has(uid));
        const acceptedCount = receiver.accepted.length;
        expect((await repair(environment, loki.against)).isWhole).toBe(true);
        const resent = receiver.accepted.slice(acceptedCount);
        expect(resent.map(({ uid }) => uid).sort()).toEqual([...lostUids].sort());
        expect(contentsOf(receiver.accepted)).toEqual(everything);
      },
    ),
    { numRuns: 5 },
  );
});

it.each([[false], [true]])('sends again what Elasticsearch lost, the uid being the _id: %s', async (uidIsId) => {
  const place = directoryPlace();
  const { environment, receiver } = await deliveryScene(place);
  await place.deliver(deliveryKey(), auditLines(9));
  await shipHere(environment);
  const sent = [...receiver.accepted];
  const lost = new Set(sent.slice(2, 7));
  const elasticsearch = await startElasticsearchServer(() => receiver.accepted.filter((record) => !lost.has(record)), {
    uidIsId,
  });
  const against = `elasticsearch=${elasticsearch.url}`;
  expect(await repair(environment, against)).toMatchObject({ isWhole: true, totals: { resentCount: 5 } });
  expect(contentsOf(receiver.accepted.slice(9))).toEqual(contentsOf([...lost]));
  expect(await compare(environment, against)).toMatchObject({ isWhole: true, totals: { missingInBackendCount: 0 } });
});

it('reports lines whose first observed time the state does not know, and sends them with that of the object', async () => {
  const place = directoryPlace();
  const { environment, receiver, stateDirectory } = await deliveryScene(place);
  await place.deliver(deliveryKey(), auditLines(4));
  await shipHere(environment);
  // As schema version 4 has left them.
  changeState(stateDirectory, 'UPDATE line_hashes SET observed_at_ms = NULL');
  await place.deliver(deliveryKey(), auditLines(6));
  await shipHere(environment);
  const loki = await forgetfulLoki(receiver);
  const sent = loki.lose(() => true);
  expect(await repair(environment, loki.against)).toMatchObject({
    isWhole: true,
    totals: { resentCount: 6, resentDifferentlyCount: 4, missingInBackendCount: 0 },
  });
  const resent = receiver.accepted.slice(sent.length);
  expect(resent.map(({ uid }) => uid).sort()).toEqual(sent.map(({ uid }) => uid).sort());
  expect(new Set(resent.map(({ record }) => record.observedTimeUnixNano)).size).toBe(1);
});

it('asks Loki about the days that have lines, and not about the years between two of them', async () => {
  const place = directoryPlace();
  const { environment, receiver } = await deliveryScene(place);
  const [line = '', ...others] = auditLines(4);
  const old = JSON.stringify({ ...JSON.parse(line), timestamp: Date.parse('1990-05-01T00:00:00Z') });
  await place.deliver(deliveryKey(), [old, ...others]);
  await shipHere(environment);
  const loki = await forgetfulLoki(receiver);
  expect(await compare(environment, loki.against)).toMatchObject({
    isWhole: true,
    totals: { expectedInBackendCount: 4, missingInBackendCount: 0 },
  });
  expect(loki.requests).toHaveLength(2);
  loki.lose((_, index) => index === 0);
  expect((await compare(environment, loki.against)).totals).toMatchObject({ missingInBackendCount: 1 });
});

it('says nothing about the lines of an object that is not the settled one any more, when only the position tells', async () => {
  const place = directoryPlace();
  const { environment, receiver, stateDirectory } = await deliveryScene(place);
  await place.deliver(deliveryKey(), auditLines(3));
  await shipHere(environment);
  // As after the lookback window.
  changeState(stateDirectory, 'DELETE FROM line_hashes; UPDATE object SET has_line_hashes = 0');
  const loki = await forgetfulLoki(receiver);
  expect(await compare(environment, loki.against)).toMatchObject({
    isWhole: true,
    totals: { expectedInBackendCount: 3, missingInBackendCount: 0 },
  });
  await place.deliver(deliveryKey(), auditLines(5, 3));
  expect(await compare(environment, loki.against)).toMatchObject({
    isWhole: false,
    totals: { unverifiedCount: 5, expectedInBackendCount: 0, missingInBackendCount: 0 },
  });
});

it('does not count a dead letter as lost, nor as delivered, and does not send it again', async () => {
  const place = directoryPlace();
  const { environment, receiver } = await deliveryScene(place);
  receiver.answerWhen(
    ({ records }) => records.some(({ body }) => body?.includes('request-2')),
    answers.status(400, 'no'),
  );
  await place.deliver(deliveryKey(), auditLines(6));
  await shipHere(environment);
  expect(receiver.accepted).toHaveLength(5);
  const loki = await forgetfulLoki(receiver);
  const delivered = { undeliveredCount: 1, deadLetteredCount: 1, missingCount: 0 };
  expect(await compare(environment, loki.against)).toMatchObject({
    isWhole: true,
    totals: { ...delivered, expectedInBackendCount: 5, missingInBackendCount: 0 },
  });
  const requestCount = receiver.requests.length;
  expect(await repair(environment, loki.against)).toMatchObject({ isWhole: true, totals: { resentCount: 0 } });
  expect(receiver.requests).toHaveLength(requestCount);
});
