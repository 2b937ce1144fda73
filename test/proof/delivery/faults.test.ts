import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../src/runtime/clock.ts';
import { runHere, shipHere } from '../../support/agent-here.ts';
import { type AgentProcess, type Environment, runAgent, startAgent } from '../../support/agent-process.ts';
import {
  type DeadLetter,
  expectNothingLost,
  expectRepeatsAreEqual,
  readDeadLetters,
  repeatedUids,
} from '../../support/deliveries.ts';
import {
  auditLines,
  type DeliveryPlace,
  type DeliveryScene,
  deliveryKey,
  deliveryScene,
  directoryScene,
  receiverForTest,
  s3Place,
  smallBatches,
} from '../../support/delivery-place.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { answers, type OtlpReceiver, type ReceivedRequest, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';

describe('a collector', () => {
  it('that is down at startup gets everything once it is up', async () => {
    const { port, close } = await startOtlpReceiver();
    await close();
    const { environment, lines } = await directoryScene({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` });
    const agent = startAgent(['run'], environment);
    const warning = await agent.logged('Collector does not accept records; shipping pauses, nothing is lost');
    expect(warning).toMatchObject({
      level: 'warn',
      err: {
        code: 'ERR_EXPORT_UNAVAILABLE',
        message: expect.stringContaining(`127.0.0.1:${port}/v1/logs could not be reached`),
        hint: expect.stringContaining('OTEL_EXPORTER_OTLP_ENDPOINT'),
      },
    });
    const receiver = await receiverForTest({ port });
    await agent.logged('Collector accepts records again');
    await arrived(agent, receiver, lines.length);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('that answers 429 gets no request before its Retry-After has passed', async () => {
    const { receiver, environment, lines } = await directoryScene();
    receiver.answerNext(answers.status(429, 'too many', { 'retry-after': '7' }));
    const { clock, waitsMs } = impatientClock();
    await runHere(environment, clock, () => receiver.accepted.length >= lines.length);
    // The second wait is the grace period of the shutdown.
    expect(waitsMs).toEqual([7_000, 8_000]);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it.each(['http/protobuf', 'http/json'])(
    'that rejects one record (%s) gets the others; that one becomes a dead letter with the reason',
    async (protocol) => {
      const { receiver, environment, lines } = await directoryScene({ OTEL_EXPORTER_OTLP_PROTOCOL: protocol });
      const refused = lines[5] ?? '';
      receiver.answerWhen(holds(refused), answers.status(400, 'line 5 is malformed'));
      const { code, stderr, log } = await runAgent(['ship'], environment);
      expect(code).toBe(1);
      expect(stderr).toContain(`${lines.length} new: ${lines.length - 1} accepted, 1 dead-lettered`);
      expect(log).toMatchObject([
        {
          level: 'error',
          msg: 'Collector rejected a record; it was written to a dead-letter file',
          reason: expect.stringContaining('malformed'),
        },
      ]);
      expect(deadLetters(environment)).toMatchObject([
        {
          resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: refused } }] }] }],
          deadLetter: { version: 2, protocol: 'http', code: 400, reason: expect.stringContaining('malformed') },
        },
      ]);
      expectNothingLost(
        receiver,
        lines.filter((line) => line !== refused),
      );
      expect(repeatedUids(receiver)).toEqual([]);
      // The record is settled, so it is not sent again.
      expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
      expect(deadLetters(environment)).toHaveLength(1);
    },
  );

  it('that accepts a request in part causes all of its records to be dead-lettered, and none to be sent again', async () => {
    const { receiver, environment, lines } = await directoryScene();
    receiver.answerNext(answers.partial(1, 'quota used up'));
    const { code, stderr } = await runAgent(['ship'], environment);
    expect(code).toBe(1);
    expect(stderr).toContain('11 accepted, 1 dead-lettered');
    const letters = deadLetters(environment);
    expect(letters).toHaveLength(batchRecords);
    expect(letters[0]).toMatchObject({
      deadLetter: { reason: 'quota used up', rejectedRecords: 1, ofRecords: batchRecords },
    });
    expect(receiver.requests).toHaveLength(lines.length / batchRecords);
  });

  it('that rejects the credentials causes no loss: the log says what to fix, and then everything arrives', async () => {
    const { receiver, environment, lines } = await directoryScene({
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20old',
    });
    receiver.answerWhen(({ headers }) => headers.authorization !== 'Bearer new', answers.plain(401, 'no valid token'));
    const agent = startAgent(['run'], environment);
    const error = await agent.logged('Collector cannot be used as configured; shipping pauses, nothing is lost');
    expect(error).toMatchObject({
      level: 'error',
      err: {
        message: expect.stringContaining('HTTP 401: no valid token'),
        hint: expect.stringContaining('OTEL_EXPORTER_OTLP_HEADERS'),
      },
    });
    await agent.kill();
    expect(receiver.accepted).toHaveLength(0);
    expect(agent.stderr).not.toContain('old');
    const fixed = { ...environment, OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20new' };
    expect(await runAgent(['ship'], fixed)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('that loses the response gets the same records again, byte for byte', async () => {
    const { receiver, environment, lines } = await directoryScene();
    receiver.answerNext(answers.accept(), answers.loseAnswer());
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
    expect(repeatedUids(receiver)).toHaveLength(batchRecords);
  });
});

describe('a bucket', () => {
  let s3: S3Server;
  beforeAll(async () => {
    s3 = await startS3Server();
  });
  afterAll(() => s3.stop());

  async function bucketScene(more: Environment = {}) {
    s3.healAll();
    return await scene(await s3Place(s3), more);
  }

  it('that throttles is read later', async () => {
    const { receiver, environment, lines } = await bucketScene();
    s3.fail({ times: 2 }, { status: 503, code: 'SlowDown' });
    s3.fail({ operation: 'GetObject', times: 2 }, { status: 503, code: 'SlowDown' });
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('is not read ahead while the collector accepts nothing: the bucket is the queue', async () => {
    const { place, receiver, environment } = await bucketScene();
    const lines = auditLines(30);
    for (const [index, line] of lines.entries())
      await place.deliver(deliveryKey('1', `auditlogs_${index}.json`), [line]);
    receiver.answerWhen(() => true, answers.status(503));
    s3.clearRequests();
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(1);
    await agent.until('several polls have passed', () => s3.count('ListObjectsV2') >= 5);
    // At most six objects are open at a time, and two requests are in flight.
    expect(s3.count('GetObject')).toBeLessThanOrEqual(6);
    expect(new Set(receiver.requests.flatMap(({ records }) => records.map(({ uid }) => uid))).size).toBe(2);
    receiver.acceptAgain();
    await arrived(agent, receiver, lines.length);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('whose token has expired is reported, and read once there is a new one', async () => {
    const { receiver, environment, lines } = await bucketScene();
    s3.fail({}, { status: 400, code: 'ExpiredToken', message: 'The provided token has expired.' });
    const agent = startAgent(['run'], environment);
    const error = await agent.logged('Source could not be listed; retrying');
    expect(error).toMatchObject({
      level: 'error',
      err: {
        code: 'ERR_SOURCE_CREDENTIALS',
        message: expect.stringContaining('the AWS credentials have expired'),
        hint: expect.stringContaining('Renew'),
      },
    });
    s3.healAll();
    await arrived(agent, receiver, lines.length);
  });

  it('that denies one workspace is shipped without it, and the missing action is named', async () => {
    const { place, receiver, environment, lines } = await bucketScene();
    await place.deliver(deliveryKey('2'), auditLines(2, 200));
    await place.deliver(deliveryKey('3'), auditLines(2, 300));
    s3.fail({ path: 'workspaceId=2/' }, { status: 403, code: 'AccessDenied' });
    s3.fail({ operation: 'GetObject', path: 'workspaceId=3/' }, { status: 403, code: 'AccessDenied' });
    const denied = await runAgent(['ship'], environment);
    expect(denied.code).toBe(1);
    expect(denied.stderr).toContain('access denied (s3:ListBucket)');
    expect(denied.stderr).toContain('access denied (s3:GetObject)');
    expect(denied.stderr).toMatch(/not read completely: s3:\/\/\S+workspaceId=3/);
    expectNothingLost(receiver, lines);
    s3.healAll();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, [...lines, ...auditLines(2, 200), ...auditLines(2, 300)]);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('whose response is truncated is read again from the settled position', async () => {
    const { place, receiver, environment } = await bucketScene();
    const lines = auditLines(2000);
    await place.deliver(deliveryKey(), lines);
    s3.breakBody({ operation: 'GetObject', times: 1 }, { afterBytes: 150_000, ending: 'cut' });
    expect(await runAgent(['ship'], { ...environment, DATABRICKS_AUDIT_BATCH_RECORDS: '100' })).toMatchObject({
      code: 0,
    });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
    expect(s3.count('GetObject', deliveryKey())).toBeGreaterThan(1);
  });

  it('in which an object is overwritten between listing and reading is listed again', async () => {
    const { place, receiver, environment, lines } = await bucketScene();
    s3.clearRequests();
    const longer = [...lines, ...auditLines(3, 500)];
    s3.before({ operation: 'GetObject', times: 1 }, () => place.deliver(deliveryKey(), longer));
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expect(s3.requests.map(({ status }) => status)).toContain(412);
    expectNothingLost(receiver, longer);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('from which an object was deleted is shipped without it', async () => {
    const { place, receiver, environment, lines } = await bucketScene();
    const gone = deliveryKey('2');
    await place.deliver(gone, auditLines(2, 200));
    const bucket = place.source.replace('s3://', '');
    s3.before({ operation: 'GetObject', path: gone, times: 1 }, () => s3.delete(bucket, gone));
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(receiver.accepted).toHaveLength(lines.length);
  });

  it('that does not exist causes an error with a hint, but does not affect another source', async () => {
    const { place, receiver, environment, lines } = await bucketScene();
    const both = { ...environment, DATABRICKS_AUDIT_SOURCE: `s3://no-such-bucket,${place.source}` };
    const { code, log, stderr } = await runAgent(['ship'], both);
    expect(code).toBe(1);
    expect(log[0]).toMatchObject({
      level: 'error',
      err: { code: 'ERR_SOURCE_NOT_FOUND', message: expect.stringContaining('there is no bucket no-such-bucket') },
    });
    expect(stderr).toContain('some listings failed');
    expectNothingLost(receiver, lines);
  });
});

describe('SIGTERM', () => {
  it('waits for responses to requests in flight, writes the state and exits with 0: nothing is repeated after the restart', async () => {
    const { receiver, environment, lines } = await directoryScene();
    const answer = Promise.withResolvers<void>();
    receiver.answerWhen(({ index }) => index >= 1, answers.hold(answer.promise, answers.accept()));
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(3);
    agent.signal('SIGTERM');
    await agent.logged('Stopping; waiting a few seconds for requests in flight');
    answer.resolve();
    const { code, log } = await agent.exit;
    expect(code).toBe(0);
    expect(log.at(-1)).toMatchObject({ level: 'info', msg: 'Stopped; the state has been saved' });
    const { length } = receiver.accepted;
    expect(length).toBeLessThan(lines.length);
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('does not wait for a request that is waiting for its next attempt', async () => {
    const { receiver, environment, lines } = await directoryScene();
    receiver.answerWhen(() => true, answers.status(503));
    // On this clock neither the next attempt nor the end of the grace period ever comes.
    await runHere(environment, new ManualClock('2026-02-01T00:00:00Z'), () => receiver.requests.length === 2);
    receiver.acceptAgain();
    await shipHere(environment);
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
  });

  it('waits for the response to one request while another one is abandoned: only that one is sent again', async () => {
    const { receiver, environment, lines } = await directoryScene();
    const answer = Promise.withResolvers<void>();
    receiver.answerWhen(({ index }) => index === 0, answers.hold(answer.promise, answers.accept()));
    receiver.answerWhen(({ index }) => index > 0, answers.status(503));
    const agent = startAgent(['run'], environment);
    await agent.logged('Collector does not accept records; shipping pauses, nothing is lost');
    agent.signal('SIGTERM');
    await agent.logged('Stopping; waiting a few seconds for requests in flight');
    answer.resolve();
    expect(await agent.exit).toMatchObject({ code: 0 });
    expect(receiver.accepted).toHaveLength(smallBatches.records);
    receiver.acceptAgain();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expect(repeatedUids(receiver)).toEqual([]);
  });

  it('ends the agent after the grace period if the collector does not respond', async () => {
    const { receiver, environment, lines } = await directoryScene();
    receiver.answerWhen(() => true, answers.hang());
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(1);
    expect(await agent.stop()).toMatchObject({ code: 0 });
    receiver.acceptAgain();
    expect(await runAgent(['ship'], environment)).toMatchObject({ code: 0 });
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
  });

  it('has a grace period shorter than the ten seconds after which Docker sends SIGKILL', async () => {
    const { receiver, environment } = await directoryScene();
    receiver.answerWhen(() => true, answers.hang());
    const { clock, waitsMs } = impatientClock();
    await runHere(environment, clock, () => receiver.requests.length > 0);
    expect(waitsMs).toEqual([8_000]);
  });

  it('ends the agent at once if it is sent a second time', async () => {
    const { receiver, environment } = await directoryScene();
    receiver.answerWhen(() => true, answers.hang());
    const agent = startAgent(['run'], environment);
    await receiver.requestCount(1);
    agent.signal('SIGTERM');
    await agent.logged('Stopping; waiting a few seconds for requests in flight');
    // After the grace period, the exit code would be 0.
    expect(await agent.stop()).toMatchObject({ code: 1 });
  });
});

describe('a secret in a line', () => {
  it('appears nowhere: not in requests, dead letters, logs, output or state', async () => {
    const secret = 'hunter2-tiger-tiger';
    const more = {
      serviceName: 'secrets',
      actionName: 'putSecret',
      requestParams: { scope: 's', key: 'k', string_value: secret },
    };
    const cut = auditLines(1, 700, more)[0]?.slice(0, -3) ?? '';
    const { place, receiver, environment } = await directoryScene();
    const lines = [...auditLines(2, 600, more), cut];
    await place.deliver(deliveryKey('2'), lines);
    receiver.answerWhen(
      ({ records }) => records.some(({ body }) => body?.includes('putSecret')),
      answers.status(400, 'refused'),
    );
    const run = await runAgent(['ship'], { ...environment, OTEL_LOG_LEVEL: 'all' });
    expect(run.code).toBe(1);
    expect(deadLetters(environment)).toHaveLength(lines.length);
    const preview = await runAgent(['preview', join(place.source, deliveryKey('2'))], environment);
    expect(preview.stdout).toContain('putSecret');

    const state = globSync('**', { cwd: environment.DATABRICKS_AUDIT_STATE ?? '', withFileTypes: true }).filter(
      (entry) => entry.isFile(),
    );
    expect(state.length).toBeGreaterThanOrEqual(3);
    const written = state.map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
    const everything = [
      ...written,
      ...receiver.requests.map(({ body }) => body),
      run.stderr,
      run.stdout,
      preview.stdout,
      preview.stderr,
    ];
    for (const each of everything) expect(each.includes(secret)).toBe(false);
  });
});

const batchRecords = smallBatches.records;

interface Scene extends DeliveryScene {
  /** The content of the place: one object of twelve lines. */
  readonly lines: readonly string[];
}

async function scene(place: DeliveryPlace, more: Environment): Promise<Scene> {
  const lines = auditLines(12);
  await place.deliver(deliveryKey(), lines);
  return { ...(await deliveryScene(place, more)), lines };
}

/** A clock that skips and records waits of seconds. The next poll is a minute away and does not happen. */
function impatientClock(): { readonly clock: Clock; readonly waitsMs: readonly number[] } {
  const waitsMs: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep(delayMs, signal) {
      if (delayMs < 1_000 || delayMs > 30_000) return systemClock.sleep(delayMs, signal);
      waitsMs.push(delayMs);
      return Promise.resolve();
    },
  };
  return { clock, waitsMs };
}

function arrived(agent: AgentProcess, receiver: OtlpReceiver, count: number): Promise<void> {
  return agent.until(`${count} records arrived`, () => receiver.accepted.length >= count);
}

function holds(line: string): (request: ReceivedRequest) => boolean {
  return ({ records }) => records.some(({ body }) => body === line);
}

function deadLetters({ DATABRICKS_AUDIT_STATE = '' }: Environment): readonly DeadLetter[] {
  return readDeadLetters(join(DATABRICKS_AUDIT_STATE, 'dead-letters'));
}
