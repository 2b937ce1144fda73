/**
 * `replay` of dead letters in a bucket.
 */
import { PassThrough } from 'node:stream';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { createDeadLetterWriter } from '../../src/export/dead-letters/dead-letter-store.ts';
import { DeadLetters } from '../../src/export/dead-letters/dead-letters.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { countDeadLetters, replay } from '../../src/tools/replay.ts';
import { http, lines, never, toJsonLine } from '../export/fixtures.ts';
import { receiverForTest } from '../support/delivery-place.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { answers } from '../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';

let server: S3Server;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());
afterEach(() => {
  server.healAll();
  server.clearRequests();
  vi.unstubAllEnvs();
});

it('stops sending when its claim was not renewed for a minute, and says what to do', async () => {
  const { configuration, receiver, clock, dependencies } = await scene('unwritable', 1);
  receiver.answerWhen(() => true, answers.status(503));
  const replaying = replay(configuration, {}, dependencies, never);
  const outcome = expect(replaying).rejects.toMatchObject({
    code: 'ERR_DEAD_LETTER_READ',
    message: expect.stringContaining('Stopped the replay of s3://unwritable/dead-letters-'),
    hint: expect.stringContaining('Run replay again'),
  });
  await receiver.requestCount(1);
  server.fail({ operation: 'PutObject', path: /claim$/ }, { status: 403, code: 'AccessDenied' });
  for (let passedMs = 0; passedMs < 60_000; passedMs += 1_000) await clock.advance(1_000);
  await outcome;
  const sentCount = receiver.requests.length;
  await clock.advance(600_000);
  expect(receiver.requests).toHaveLength(sentCount);
  expect(server.count('DeleteObject')).toBe(0);
});

it('claims sixteen objects at a time, sends as many requests as the setting allows, and each record once', async () => {
  const { configuration, receiver, dependencies } = await scene('many', 40);
  const requestsInFlightMax = 3;
  const released = Promise.withResolvers<void>();
  receiver.answerWhen(() => true, answers.hold(released.promise));
  const otlp = { ...configuration.otlp, requestsInFlightMax };
  const replaying = replay({ ...configuration, otlp }, {}, dependencies, never);
  await receiver.requestCount(requestsInFlightMax);
  await expect.poll(() => server.count('GetObject', /jsonl$/)).toBe(16);
  expect(server.count('PutObject', /claim$/)).toBe(16);
  expect(receiver.requests).toHaveLength(requestsInFlightMax);
  released.resolve();
  expect(await replaying).toMatchObject({ selectedCount: 40, acceptedCount: 40, refusedCount: 0, filesInUse: [] });
  expect(new Set(receiver.acceptedUids()).size).toBe(40);
  expect(receiver.requests).toHaveLength(40);
  expect(await countDeadLetters(configuration.deadLetters)).toBe(0);
});

it('sends nothing more after one object could not be read, and loses none of the others', async () => {
  const { configuration, receiver, dependencies } = await scene('unreadable', 40);
  const oneFailed = Promise.withResolvers<void>();
  receiver.answerWhen(() => true, answers.hold(oneFailed.promise));
  server.fail({ operation: 'GetObject', path: /jsonl$/, times: 1 }, { status: 403, code: 'AccessDenied' });
  const replaying = replay(configuration, {}, dependencies, never);
  await expect(replaying).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER_READ' });
  oneFailed.resolve();
  expect(receiver.requests.length).toBeLessThan(16);
  expect(await countDeadLetters(configuration.deadLetters)).toBe(40);
});

/** Each dead letter is an object. */
async function scene(bucket: string, letterCount: number) {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  await server.createBucket(bucket);
  const receiver = await receiverForTest();
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: 's3://deliveries',
    DATABRICKS_AUDIT_DEAD_LETTERS: `s3://${bucket}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  });
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const letters = new DeadLetters(createDeadLetterWriter(configuration.deadLetters, clock), clock, silentLogger);
  for (let index = 0; index < letterCount; index++)
    await letters.write(lines(`letter ${index}`).map(toJsonLine), { ...http(400), reason: 'too long' }, never);
  await letters.close();
  return { configuration, receiver, clock, dependencies: { logger: silentLogger, stdout: new PassThrough(), clock } };
}
