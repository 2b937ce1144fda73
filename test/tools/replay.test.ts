/**
 * `replay` of dead letters in a bucket, while the bucket cannot be written.
 */
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { createDeadLetterWriter } from '../../src/export/dead-letters/dead-letter-store.ts';
import { DeadLetters } from '../../src/export/dead-letters/dead-letters.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { replay } from '../../src/tools/replay.ts';
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

it('stops sending when its claim was not renewed for a minute, and says what to do', async () => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  await server.createBucket('letters');
  const receiver = await receiverForTest();
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: 's3://deliveries',
    DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  });
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const letters = new DeadLetters(createDeadLetterWriter(configuration.deadLetters, clock), clock, silentLogger);
  await letters.write(lines('a').map(toJsonLine), { ...http(400), reason: 'too long' }, never);
  await letters.close();

  receiver.answerWhen(() => true, answers.status(503));
  const dependencies = { logger: silentLogger, stdout: new PassThrough(), clock };
  const replaying = replay(configuration, {}, dependencies, never);
  const outcome = expect(replaying).rejects.toMatchObject({
    code: 'ERR_DEAD_LETTER_READ',
    message: expect.stringContaining('Stopped the replay of s3://letters/dead-letters-'),
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
  vi.unstubAllEnvs();
});
