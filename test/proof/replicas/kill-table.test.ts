/**
 * Guarantees 1 and 3 with two replicas, at every named point. A real process is killed there; or it is stopped for longer than its
 * lease, another takes its object over, and it continues. Meanwhile the object is overwritten, so a line that is sent again without the
 * other's announcement would get another observed time. What arrived, and what the shared state says, is compared with the bucket.
 *
 * `npm run kill-table` runs every passing and writes the table in docs/replicas.md; `npm run proof` runs one passing of each point.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import { expectNothingLost, lostLines, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, type DeliveryScene, deliveryKey, s3Place, smallBatches } from '../../support/delivery-place.ts';
import { startDynalite } from '../../support/dynamodb-server.ts';
import type { Moment } from '../../support/kill-table.ts';
import { s3Event, testEvent } from '../../support/notifications.ts';
import { answers } from '../../support/otlp-receiver.ts';
import {
  type Fate,
  fates,
  type ReplicaPoint,
  type ReplicaResult,
  replicaPoints,
  sentAgainMax,
  writeReplicaTable,
} from '../../support/replica-table.ts';
import {
  changedUids,
  replicaScript,
  settled,
  settledTwice,
  sharedDeliveryScene,
  withReplica,
} from '../../support/replicas.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import type { SignalAtStep } from '../../support/signal-at-step.ts';
import { type SqsQueue, startQueue } from '../../support/sqs-queue.ts';

/** So that a message that nobody extends comes again soon. */
const hiddenMaxS = 2;

const isWhole = process.env.KILL_TABLE === 'all';
const signalAtStep = new URL('../../support/signal-at-step.ts', import.meta.url).href;

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterAll(() => s3.stop());

const before = auditLines(6);
const extended = auditLines(15);
const overwritten = auditLines(18);
const last = auditLines(21);

interface Row {
  readonly point: ReplicaPoint;
  /** A notification finds the object. */
  readonly queue: boolean;
  readonly passing: number;
  readonly fate: Fate;
}

/** In `npm run proof`, each batch is that of a third of the points. */
function rows(): readonly Row[] {
  return replicaPoints.flatMap(([point, { passings, queue = false }], index) =>
    passings
      .filter((_, number) => isWhole || number === index % passings.length)
      .flatMap((passing) => fates.map((fate): Row => ({ point, queue, passing, fate }))),
  );
}

const results: ReplicaResult[] = [];
afterAll(() => {
  if (process.env.KILL_TABLE !== undefined && isWhole && results.length === rows().length) writeReplicaTable(results);
});

describe('with a shared state', () => {
  test.each(rows())(
    '$fate at "$point" ($passing), a replica loses nothing and repeats only what was in flight',
    async (row) => {
      const result = await measure(row);
      expect(result).toMatchObject({ lost: 0, otherBytes: 0, settledTwice: 0 });
      expect(result.sentAgain).toBeLessThanOrEqual(sentAgainMax);
      results.push(result);
    },
  );

  test('without the fence, a stopped replica sends what another has sent with other bytes', async () => {
    const row: Row = { point: 'batch put', queue: false, passing: 1, fate: 'stopped' };
    const { otherBytes } = await measure(row, { REPLICA_FENCE: 'off' });
    expect(otherBytes).toBeGreaterThan(0);
  });
});

async function measure(row: Row, environmentOfVictim: Readonly<Record<string, string>> = {}): Promise<ReplicaResult> {
  const scene = await sharedScene(row);
  const { place, receiver, environment, queue, deletedBodies } = scene;
  const messageOf = (lines: readonly string[]) => {
    const eventTime = new Date(Date.UTC(2026, 0, 31) + lines.length).toISOString();
    return s3Event({ bucket: place.source.slice('s3://'.length), key: deliveryKey(), eventTime });
  };
  const deliver = async (lines: readonly string[]) => {
    await place.deliver(deliveryKey(), lines);
    await queue?.send(messageOf(lines));
  };
  await place.deliver(deliveryKey(), before);
  await withReplica(environment, (agent) => settled(agent));

  const victim = await bringDown(scene, row, environmentOfVictim, () => deliver(extended));
  if (row.point === 'message received') expect(await queue?.count(), 'messages that come again').toBe(1);
  if (row.point === 'message deleted') expectNothingLost(receiver, extended);
  await deliver(overwritten);
  await withReplica(environment, async (agent) => {
    await settled(agent);
    // With a stopped replica, this one has received the message that the other holds.
    await expectEmpty(queue);
    if (row.fate === 'stopped') victim.signal('SIGCONT');
    if (row.fate === 'stopped' && row.point === 'message received') {
      // It deletes the message once more, with its old receipt.
      const deletions = () => deletedBodies.filter((body) => body === messageOf(extended)).length;
      await expect.poll(deletions).toBe(2);
    }
    await deliver(last);
    await settled(agent);
    await expectEmpty(queue);
    if (row.fate === 'stopped') {
      const { code, stderr } = await victim.stop();
      expect(code, stderr).toBe(0);
    }
  });
  return {
    ...row,
    lost: lostLines(receiver, last).length,
    sentAgain: repeatedUids(receiver).length,
    otherBytes: changedUids(receiver).length,
    settledTwice: await settledTwice(environment, `${place.source}/${deliveryKey()}`, last.length),
  };
}

interface ReplicaScene extends DeliveryScene {
  readonly queue: SqsQueue | undefined;
  readonly deletedBodies: readonly string[];
}

async function sharedScene(row: Row): Promise<ReplicaScene> {
  const dynamoDb = await startDynalite();
  const deletedBodies: string[] = [];
  const onDelete = (bodies: readonly string[]) => void deletedBodies.push(...bodies);
  const queue = row.queue ? await startQueue(s3, { hiddenMaxS, onDelete }) : undefined;
  const more = {
    ...dynamoDb.environment,
    ...queue?.environment,
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1',
    // Listings must not find what notifications are to find.
    ...(queue === undefined ? {} : { DATABRICKS_AUDIT_POLL_INTERVAL: '1h' }),
  };
  return { ...(await sharedDeliveryScene(await s3Place(s3), 'dynamodb://audit-state', more)), queue, deletedBodies };
}

async function expectEmpty(queue: SqsQueue | undefined): Promise<void> {
  if (queue !== undefined) await expect.poll(() => queue.count()).toBe(0);
}

/** @returns the process, which is dead or stopped. */
async function bringDown(
  { receiver, environment, queue }: ReplicaScene,
  { point, passing, fate }: Row,
  more: Readonly<Record<string, string>>,
  extend: () => Promise<void>,
): Promise<AgentProcess> {
  const signal = fate === 'killed' ? 'SIGKILL' : 'SIGSTOP';
  const start = (signals: readonly SignalAtStep[]) =>
    startAgent(
      [],
      { ...environment, ...more, SIGNALS_AT_STEPS: JSON.stringify(signals) },
      { script: replicaScript, preload: signalAtStep },
    );
  if (queue === undefined) await extend();
  if (isMoment(point)) {
    const { length } = receiver.requests;
    const { length: acceptedBefore } = receiver.accepted;
    const down = Promise.withResolvers<void>();
    const answer = point === 'records stored' ? answers.hold(down.promise, answers.accept()) : answers.hang();
    const heal = receiver.answerWhen(({ index }) => index === length + passing - 1, answer);
    const victim = start([]);
    await victim.until('the request arrived', () => receiver.requests.length >= length + passing);
    victim.signal(signal);
    if (signal === 'SIGKILL') await victim.exit;
    heal();
    down.resolve();
    if (point === 'records stored') {
      await expect.poll(() => receiver.accepted.length).toBe(acceptedBefore + passing * smallBatches.records);
    }
    return victim;
  }
  if (point === 'claim lost') {
    const victim = start([
      { step: 'request begun', passing: 1, signal: 'SIGSTOP' },
      { step: point, passing: 1, signal },
    ]);
    await victim.logged('SIGSTOP at "request begun"');
    await withReplica(environment, (agent) => settled(agent));
    victim.signal('SIGCONT');
    await victim.logged(`${signal} at "claim lost"`);
    if (signal === 'SIGKILL') await victim.exit;
    return victim;
  }
  // With a queue, the first passing is that of a test event, whose end shows that the first walk is over.
  await queue?.send(testEvent);
  const victim = start([{ step: point, passing: queue === undefined ? passing : passing + 1, signal }]);
  if (queue !== undefined) {
    await expectEmpty(queue);
    await extend();
  }
  if (signal === 'SIGKILL') await victim.exit;
  await victim.logged(`${signal} at "${point}"`);
  return victim;
}

function isMoment(point: ReplicaPoint): point is Moment {
  return point === 'request arrived' || point === 'records stored';
}
