/**
 * The agent, a bucket and a queue: objects are found by notifications between the polls, and every message ends.
 */
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { NotificationOutcome } from '../../src/contracts/notifications.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { auditLines, type DeliveryPlace, deliveryKey, receiverForTest, s3Place } from '../support/delivery-place.ts';
import {
  eventBridgeEvent,
  s3Event,
  s3Record,
  snsEnvelope,
  subscriptionConfirmation,
  testEvent,
} from '../support/notifications.ts';
import { answers, type OtlpReceiver } from '../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { type SqsQueue, startQueue } from '../support/sqs-queue.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());

type Shape = (notified: { readonly bucket: string; readonly key: string }) => string;
const shapes: readonly (readonly [string, Shape])[] = [
  ['from S3', s3Event],
  ['through SNS', (notified) => snsEnvelope(s3Event(notified))],
  ['from EventBridge', eventBridgeEvent],
];

describe('an agent with a queue', () => {
  it.each(shapes)('ships an object that a notification %s names, without another listing', async (_, shape) => {
    const { bucket, place, queue, receiver, events, endOf } = await following();
    await expect
      .poll(() => events.some((event) => event.kind === 'listingEnded' && event.dates === 'older'))
      .toBe(true);
    const key = deliveryKey('1', 'auditlogs 2+ü%~.json');
    await place.deliver(key, auditLines(3));
    const listings = server.count('ListObjectsV2');
    await queue.send(shape({ bucket, key }));
    await expect.poll(() => receiver.accepted.length).toBe(3);
    expect(await endOf('settled')).toBe(1);
    await expect.poll(() => queue.count()).toBe(0);
    expect(server.count('ListObjectsV2')).toBe(listings);
  });

  it('deletes what names no object to ship', async () => {
    const { bucket, place, queue, receiver, endOf } = await following({ DATABRICKS_AUDIT_START: '2026-01-01' });
    const old = deliveryKey('1', 'auditlogs_1.json', '2025-12-31');
    await place.deliver(old, auditLines(1));
    const sent: readonly (readonly [NotificationOutcome, string])[] = [
      ['test', testEvent],
      ['subscription', subscriptionConfirmation],
      ['removal', s3Event({ bucket, key: deliveryKey(), eventName: 'ObjectRemoved:Delete' })],
      ['other', s3Event({ bucket, key: deliveryKey(), eventName: 'ObjectTagging:Put' })],
      ['unknown', 'hello'],
      ['outside', s3Event({ bucket: 'another-bucket', key: deliveryKey() })],
      ['outside', s3Event({ bucket, key: 'workspaceId=1/date=2026-01-31/_SUCCESS' })],
      ['outside', s3Event({ bucket, key: '../../etc/passwd' })],
      ['outside', s3Event({ bucket, key: old })],
      ['gone', s3Event({ bucket, key: deliveryKey('1', 'never-written.json') })],
    ];
    for (const [, body] of sent) await queue.send(body);
    for (const outcome of new Set(sent.map(([each]) => each))) {
      expect(await endOf(outcome)).toBe(sent.filter(([each]) => each === outcome).length);
    }
    await expect.poll(() => queue.count()).toBe(0);
    expect(receiver.accepted).toHaveLength(0);
    expect(server.count('HeadObject', 'workspaceId=1/date=2025')).toBe(0);
  });

  it('falls back to the key as it arrived, which some servers do not encode', async () => {
    const { bucket, place, queue, receiver } = await following();
    const key = deliveryKey('1', 'auditlogs+1%20.json');
    await place.deliver(key, auditLines(2));
    await queue.send(
      JSON.stringify({
        Records: [{ ...s3Record({ bucket, key }), s3: { bucket: { name: bucket }, object: { key } } }],
      }),
    );
    await expect.poll(() => receiver.accepted.length).toBe(2);
  });

  it('keeps a message until its lines are accepted, and deletes it afterwards', async () => {
    const { bucket, place, queue, receiver } = await following();
    const accepted = Promise.withResolvers<void>();
    receiver.answerWhen(() => true, answers.hold(accepted.promise, answers.accept()));
    await place.deliver(deliveryKey(), auditLines(2));
    await queue.send(s3Event({ bucket, key: deliveryKey() }));
    await expect.poll(() => receiver.requests.length).toBe(1);
    expect([await queue.count(), await queue.visibleCount()]).toEqual([1, 0]);
    accepted.resolve();
    await expect.poll(() => queue.count()).toBe(0);
  });

  it('ends a message with several objects when all of them have ended', async () => {
    const { bucket, place, queue, receiver, endOf } = await following();
    const [one, other] = [deliveryKey('1'), deliveryKey('2')];
    await place.deliver(one, auditLines(2));
    await place.deliver(other, auditLines(2, 10));
    server.fail({ operation: 'GetObject', path: other }, { status: 403, code: 'AccessDenied' });
    onTestFinished(() => server.healAll());
    await queue.send(s3Event({ bucket, key: one }, { bucket, key: other }));
    expect(await endOf('released')).toBe(1);
    expect(receiver.accepted).toHaveLength(2);
    expect([await queue.count(), await queue.visibleCount()]).toEqual([1, 0]);
  });

  it('answers many messages for one object with one visit', async () => {
    const { bucket, place, queue, receiver, events, endOf } = await following(
      {},
      async ({ bucket: name, queue: filled }) => {
        for (let sent = 0; sent < 4; sent++) await filled.send(s3Event({ bucket: name, key: deliveryKey('9') }));
      },
    );
    // The four were received together after the first walk, when there was no object yet.
    expect(await endOf('gone')).toBe(4);
    await place.deliver(deliveryKey(), auditLines(2));
    await queue.send(s3Event({ bucket, key: deliveryKey() }));
    await expect.poll(() => receiver.accepted.length).toBe(2);
    expect(server.count('HeadObject', deliveryKey('9'))).toBe(1);
    expect(events.filter(({ kind }) => kind === 'objectVisited')).toHaveLength(1);
  });

  it('receives nothing before the first walk of the look-back has ended', async () => {
    const release = Promise.withResolvers<void>();
    const key = deliveryKey('1', 'before-the-start.json');
    const { queue, endOf, receiver } = await following({}, async (scene) => {
      await scene.place.deliver(key, auditLines(2));
      await scene.queue.send(s3Event({ bucket: scene.bucket, key }));
      scene.receiver.answerWhen(() => true, answers.hold(release.promise, answers.accept()));
    });
    await expect.poll(() => receiver.requests.length).toBe(1);
    expect(await queue.visibleCount()).toBe(1);
    release.resolve();
    expect(await endOf('unchanged')).toBe(1);
    expect(server.count('GetObject', key)).toBe(1);
    await expect.poll(() => queue.count()).toBe(0);
  });

  it('ships by listings while the queue does not exist, and says why', async () => {
    const { place, receiver, events } = await following({
      DATABRICKS_AUDIT_QUEUE: 'https://sqs.eu-west-1.amazonaws.com/000000000000/missing',
      DATABRICKS_AUDIT_POLL_INTERVAL: '1s',
    });
    const fault = () => events.find((event) => event.kind === 'faultMet' && event.fault.code === 'ERR_QUEUE_READ');
    await expect.poll(fault).toMatchObject({ fault: { message: expect.stringContaining('there is no such queue') } });
    await place.deliver(deliveryKey(), auditLines(2));
    await expect.poll(() => receiver.accepted.length).toBe(2);
  });

  it('counts what notifications found, and what only a listing found', async () => {
    const { bucket, place, queue, receiver, events } = await following(
      { DATABRICKS_AUDIT_POLL_INTERVAL: '2s' },
      async (scene) => {
        await scene.place.deliver(deliveryKey('1'), auditLines(1));
      },
    );
    await place.deliver(deliveryKey('2'), auditLines(1, 10));
    await expect.poll(() => receiver.accepted.length).toBe(2);
    await place.deliver(deliveryKey('3'), auditLines(1, 20));
    await queue.send(s3Event({ bucket, key: deliveryKey('3') }));
    await expect.poll(() => receiver.accepted.length).toBe(3);
    await expect.poll(() => queue.count()).toBe(0);
    const found = events.flatMap((event) =>
      event.kind === 'objectVisited' && event.status === 'settled' ? [event.foundBy] : [],
    );
    expect(found.slice(0, 2)).toEqual(['catchUp', 'listing']);
    expect(['notification', 'listing']).toContain(found[2]);
  });
});

interface Scene {
  readonly bucket: string;
  readonly place: DeliveryPlace;
  readonly queue: SqsQueue;
  readonly receiver: OtlpReceiver;
  readonly events: readonly AgentEvent[];
}

/** An agent whose first walk has ended, unless something holds it up. */
async function following(more: Readonly<Record<string, string>> = {}, before = async (_: Scene): Promise<void> => {}) {
  const place = await s3Place(server);
  const bucket = place.source.slice('s3://'.length);
  const queue = await startQueue(server);
  const receiver = await receiverForTest();
  const events: AgentEvent[] = [];
  const scene: Scene = { bucket, place, queue, receiver, events };
  await before(scene);
  const environment = {
    ...queue.environment,
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    ...more,
  };
  // The AWS SDK reads process.env.
  for (const [name, value] of Object.entries(environment)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const agent = await createAgent(loadConfiguration(environment), {
    logger: silentLogger,
    stdout: new PassThrough(),
    observer: (event) => events.push(event),
    graceMs: 0,
  });
  const stopping = new AbortController();
  const running = agent.run(stopping.signal).catch((error: unknown) => {
    if (error !== stopping.signal.reason) throw error;
  });
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    stopping.abort(new Error('enough'));
    await running;
    await agent.close();
  };
  onTestFinished(stop);
  await expect.poll(() => events.some(({ kind }) => kind === 'listingEnded')).toBe(true);
  /** How many messages ended like this; waits for the first. */
  const endOf = async (outcome: NotificationOutcome) => {
    const count = () =>
      events.filter((event) => event.kind === 'notificationEnded' && event.outcome === outcome).length;
    await expect.poll(count).toBeGreaterThan(0);
    return count();
  };
  return { ...scene, endOf, stop };
}
