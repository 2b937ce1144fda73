/**
 * Dead letters in a bucket: written once whatever happens, counted, and replayed by one process at a time.
 */
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { AgentEvent } from '../../../src/contracts/observer.ts';
import { BucketClient } from '../../../src/export/dead-letters/bucket-client.ts';
import { createDeadLetterWriter } from '../../../src/export/dead-letters/dead-letter-store.ts';
import { DeadLetters } from '../../../src/export/dead-letters/dead-letters.ts';
import type { DeadLetterBucket } from '../../../src/export/dead-letters/location.ts';
import { inspectDeadLetters, openDeadLetterStore } from '../../../src/export/index.ts';
import { silentLogger } from '../../../src/runtime/logger.ts';
import { ManualClock, settled } from '../../support/manual-clock.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { http, lines, never, toJsonLine } from '../fixtures.ts';

const reason = { ...http(400), reason: 'HTTP 400: line too long' };
const records = (...texts: readonly string[]) => lines(...texts).map(toJsonLine);

let server: S3Server;
let bucketCount = 0;
beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());
beforeEach(() => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  return () => {
    server.healAll();
    vi.unstubAllEnvs();
  };
});

async function setUp() {
  const bucket = `letters-${++bucketCount}`;
  await server.createBucket(bucket);
  const location: DeadLetterBucket = { kind: 's3', bucket, prefix: 'audit/', name: `s3://${bucket}/audit` };
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const events: AgentEvent[] = [];
  const writerOf = () =>
    new DeadLetters(createDeadLetterWriter(location, clock), clock, silentLogger, (event) => events.push(event));
  const storeOf = () => openDeadLetterStore(location, clock);
  const client = new BucketClient(location);
  onTestFinished(() => client.close());
  const keys = async () => {
    const found: string[] = [];
    for await (const { key } of client.list()) found.push(key);
    return found;
  };
  return { location, clock, events, writer: writerOf(), writerOf, store: storeOf(), storeOf, client, keys };
}

test('the rejected records of a request are one object, in the format of the files', async () => {
  const { writer, keys, client } = await setUp();
  const [one = '', two = ''] = records('a', 'b');
  await writer.write([one, two], reason, never);
  const [key = ''] = await keys();
  expect(key).toMatch(/^audit\/dead-letters-[0-9a-f]{64}\.jsonl$/);
  const { text = '' } = (await client.get(key)) ?? {};
  const written = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(written.map(({ deadLetter, ...record }) => JSON.stringify(record))).toEqual([one, two]);
  expect(written[0]?.deadLetter).toEqual({ version: 2, time: '2026-01-31T12:00:00.000Z', ...reason });
});

test('the same records written again, later and by another process, are one object', async () => {
  const { writer, writerOf, clock, keys } = await setUp();
  await writer.write(records('a'), reason, never);
  await clock.advance(86_400_000);
  await writerOf().write(records('a'), { ...reason, reason: 'HTTP 400: another reason' }, never);
  expect(await keys()).toHaveLength(1);
  await writer.write(records('b'), reason, never);
  expect(await keys()).toHaveLength(2);
});

test('a bucket that is not available is waited for, like a full disk', async () => {
  const { writer, clock, events, keys } = await setUp();
  server.fail({ operation: 'PutObject' }, { status: 403, code: 'AccessDenied' });
  const writing = writer.write(records('a'), reason, never);
  await expect.poll(() => events.length).toBe(1);
  expect(events[0]).toMatchObject({
    kind: 'waiting',
    for: 'deadLetterFile',
    fault: {
      code: 'ERR_DEAD_LETTER_WRITE',
      message: expect.stringContaining('access denied (s3:PutObject)'),
      hint: expect.stringContaining('Allow s3:PutObject on arn:aws:s3:::'),
    },
  });
  server.healAll();
  await clock.advance(60_000);
  await writing;
  expect(events.at(-1)).toEqual({ kind: 'resumed', for: 'deadLetterFile' });
  expect(await keys()).toHaveLength(1);
});

test('they are counted by reason, and each is read once', async () => {
  const { writer, store, clock } = await setUp();
  await writer.write(records('a', 'b'), reason, never);
  await writer.write(records('c'), { ...http(413), reason: 'too large' }, never);
  const counts = async () => (await store.count()).map(({ reason: text, count }) => [text, count]);
  expect(await counts()).toEqual([
    [reason.reason, 2],
    ['too large', 1],
  ]);
  server.clearRequests();
  await writer.write(records('d'), reason, never);
  expect(await counts()).toEqual([
    [reason.reason, 2],
    ['too large', 1],
  ]);
  await clock.advance(30_000);
  expect(await counts()).toEqual([
    [reason.reason, 3],
    ['too large', 1],
  ]);
  expect(server.count('GetObject')).toBe(1);
});

test('what this process has written is in the next count, also if another count is under way', async () => {
  const { writer, store } = await setUp();
  const sum = async (counts: ReturnType<typeof store.count>) =>
    (await counts).reduce((total, each) => total + each.count, 0);
  expect(await sum(store.count())).toBe(0);
  await writer.write(records('a'), reason, never);
  expect(await sum(store.count(true))).toBe(1);
  const begun = Promise.withResolvers<void>();
  const written = Promise.withResolvers<void>();
  server.before({ operation: 'GetObject', times: 1 }, async () => {
    begun.resolve();
    await written.promise;
  });
  await writer.write(records('b'), reason, never);
  const before = store.count(true);
  await begun.promise;
  await writer.write(records('c'), reason, never);
  const afterwards = [store.count(true), store.count(), store.count(true)];
  server.clearRequests();
  written.resolve();
  expect(await sum(before)).toBe(2);
  expect(await Promise.all(afterwards.map(sum))).toEqual([3, 3, 3]);
  expect(server.count('ListObjectsV2')).toBe(1);
});

test('one count runs at a time, and the next one has what it read before it failed', async () => {
  const { writer, store, clock } = await setUp();
  for (let index = 0; index < 20; index++) await writer.write(records(`letter ${index}`), reason, never);
  server.clearRequests();
  const opened = Promise.withResolvers<void>();
  const denied = Promise.withResolvers<void>();
  server.before({ operation: 'GetObject', times: 20 }, async () => {
    if (server.count('GetObject') >= 10) await denied.promise;
    else if (server.count('GetObject') === 9) opened.resolve();
  });
  const first = store.count();
  await opened.promise;
  await clock.advance(60_000);
  const second = store.count();
  server.fail({ operation: 'GetObject', times: 1 }, { status: 403, code: 'AccessDenied' });
  denied.resolve();
  await expect(first).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER_READ' });
  await expect(second).rejects.toMatchObject({ code: 'ERR_DEAD_LETTER_READ' });
  expect(server.count('ListObjectsV2')).toBe(1);
  server.clearRequests();
  server.healAll();
  await clock.advance(30_000);
  expect(await store.count()).toMatchObject([{ reason: reason.reason, count: 20 }]);
  expect(server.count('GetObject')).toBeLessThanOrEqual(11);
});

test('nothing is left of an object that another replay has finished since it was listed', async () => {
  const { writer, store, storeOf, keys } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const faster = await store.openForReplay(path);
  await faster?.markDone(await linesOf(faster));
  const beforeItIsClosed = await storeOf().openForReplay(path);
  await faster?.close();
  const afterwards = await storeOf().openForReplay(path);
  for (const letters of [beforeItIsClosed, afterwards]) {
    expect(letters).toBeDefined();
    expect(await linesOf(letters)).toEqual([]);
    await letters?.close();
  }
  expect(await keys()).toEqual([]);
});

test('of two replays one has an object, and what is done is removed at once', async () => {
  const { writer, store, storeOf, keys } = await setUp();
  await writer.write(records('a', 'b'), reason, never);
  const [path = ''] = await store.list();
  const replays = await Promise.all([store, storeOf(), storeOf()].map((each) => each.openForReplay(path)));
  const open = replays.filter((each) => each !== undefined);
  expect(open).toHaveLength(1);
  const [one, two] = await linesOf(open[0]);
  if (one === undefined || two === undefined) throw new Error('there are two lines');
  await open[0]?.markDone([one]);
  expect((await linesOf(storeOf().readLines(path))).map(({ text }) => text)).toEqual([two.text]);
  await open[0]?.markDone([two]);
  await open[0]?.close();
  expect(await keys()).toEqual([]);
  expect(await linesOf(await storeOf().openForReplay(path))).toEqual([]);
  expect(await keys()).toEqual([]);
});

test('what is rejected again under the same name stays', async () => {
  const { writer, store, keys, clock } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const replay = await store.openForReplay(path);
  await clock.advance(1_000);
  await writer.write(records('a'), { ...reason, reason: 'still too long' }, never);
  await replay?.markDone(await linesOf(replay));
  await replay?.close();
  expect(await keys()).toEqual([path.replace(/^s3:\/\/[^/]+\//, '')]);
  expect((await linesOf(store.readLines(path)))[0]?.deadLetter?.reason).toBe('still too long');
});

test('what is rejected again at the moment of its deletion stays', async () => {
  const { writer, store, keys, clock } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const replay = await store.openForReplay(path);
  await clock.advance(1_000);
  server.before({ operation: 'DeleteObject', path: /jsonl$/, times: 1 }, () =>
    writer.write(records('a'), { ...reason, reason: 'still too long' }, never),
  );
  await replay?.markDone(await linesOf(replay));
  await replay?.close();
  expect(await keys()).toHaveLength(1);
  expect((await linesOf(store.readLines(path)))[0]?.deadLetter?.reason).toBe('still too long');
});

test('a claim that was taken over at the moment of its release stays', async () => {
  const { location, writer, store, keys, client } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const replay = await store.openForReplay(path);
  const claim = (await keys()).find((key) => key.endsWith('.claim')) ?? '';
  server.before({ operation: 'DeleteObject', path: claim, times: 1 }, () =>
    server.put(location.bucket, claim, 'another 0'),
  );
  await replay?.close();
  expect((await client.get(claim))?.text).toBe('another 0');
});

test('what is done is removed from a server that has no conditional deletions', async () => {
  const { writer, store, keys } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const replay = await store.openForReplay(path);
  server.fail({ operation: 'DeleteObject', times: 1 }, { status: 501, code: 'NotImplemented' });
  await replay?.markDone(await linesOf(replay));
  server.fail({ operation: 'DeleteObject', times: 1 }, { status: 501, code: 'NotImplemented' });
  await replay?.close();
  expect(await keys()).toEqual([]);
});

test('a claim is renewed while a replay lasts, and taken over when it was not for a minute by the clock of S3', async () => {
  const { writer, store, storeOf, client, clock } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const claim = `${path.replace(/^s3:\/\/[^/]+\//, '')}.claim`;
  const first = await store.openForReplay(path);
  const before = await client.head(claim);
  await clock.advance(20_000);
  await expect.poll(() => client.head(claim)).not.toBe(before);
  expect(await storeOf().openForReplay(path)).toBeUndefined();

  // A replay that was killed a minute ago, as S3 sees it.
  const renewed = await client.head(claim);
  vi.spyOn(BucketClient.prototype, 'get').mockImplementationOnce(async () => ({
    text: 'another',
    etag: renewed ?? '',
    ageMs: 61_000,
  }));
  const second = await storeOf().openForReplay(path);
  expect(second).toBeDefined();
  await clock.advance(20_000);
  await expect.poll(() => first?.lost?.aborted).toBe(true);
  await expect(first?.markDone(await linesOf(first))).rejects.toThrow('another replay has taken over');
  await first?.close();
  expect(await linesOf(storeOf().readLines(path))).toHaveLength(1);
  await second?.markDone(await linesOf(second));
  await second?.close();
  await settled();
  expect(await store.list()).toEqual([]);
});

test('a replay ends a minute after the last renewal of its claim that succeeded, with what to do', async () => {
  const { replay, claim, client, clock } = await claimed();
  const before = await client.head(claim);
  await clock.advance(20_000);
  await expect.poll(() => client.head(claim)).not.toBe(before);
  server.fail({ operation: 'PutObject', path: claim }, { status: 403, code: 'AccessDenied' });
  await clock.advance(59_999);
  await expect.poll(() => server.count('PutObject', claim)).toBe(3);
  expect(replay.lost?.aborted).toBe(false);
  replay.confirm?.();
  await clock.advance(1);
  expect(replay.lost?.reason).toMatchObject({
    code: 'ERR_DEAD_LETTER_READ',
    message: expect.stringMatching(/its claim was not renewed for a minute .*: access denied \(s3:PutObject\)$/),
    hint: expect.stringMatching(/^Allow s3:PutObject on .*Run replay again/),
  });
  await expect(replay.markDone(await linesOf(replay))).rejects.toBe(replay.lost?.reason);
  await replay.close();
});

test('a renewal that gets no answer ends with the claim', async () => {
  const { replay, claim, clock } = await claimed();
  server.before({ operation: 'PutObject', path: claim }, () => new Promise(() => {}));
  await clock.advance(20_000);
  await clock.advance(40_000);
  expect(replay.lost?.reason).toMatchObject({ hint: expect.stringContaining('Run replay again') });
  await replay.close();
});

test('a process that was suspended does not send before it notices that its claim lapsed', async () => {
  const { replay, clock } = await claimed();
  const resumed = clock.advance(60_000);
  expect(() => replay.confirm?.()).toThrow('its claim was not renewed for a minute');
  await resumed;
  await replay.close();
});

test('a claim that was taken over and released since is noticed at the next renewal', async () => {
  const { replay, claim, client, clock } = await claimed();
  await client.delete(claim);
  await clock.advance(20_000);
  await expect.poll(() => replay.lost?.aborted).toBe(true);
  expect(replay.lost?.reason).toEqual(new Error('another replay has taken over'));
  await replay.close();
});

async function claimed() {
  const parts = await setUp();
  await parts.writer.write(records('a'), reason, never);
  const [path = ''] = await parts.store.list();
  server.clearRequests();
  const replay = await parts.store.openForReplay(path);
  if (replay === undefined) throw new Error('nobody else has it');
  return { ...parts, path, replay, claim: `${path.replace(/^s3:\/\/[^/]+\//, '')}.claim` };
}

test('a claim whose answer was lost is recognised by its owner', async () => {
  const { writer, store } = await setUp();
  await writer.write(records('a'), reason, never);
  const [path = ''] = await store.list();
  const put = BucketClient.prototype.put;
  vi.spyOn(BucketClient.prototype, 'put').mockImplementationOnce(async function (this: BucketClient, ...call) {
    await put.apply(this, call);
    return undefined; // The SDK's second attempt is refused because of the first.
  });
  const replay = await store.openForReplay(path);
  expect(replay).toBeDefined();
  await replay?.close();
});

test('what is done is removed although the answer to an earlier removal was lost', async () => {
  const { writer, store, keys } = await setUp();
  await writer.write(records('a', 'b'), reason, never);
  const [path = ''] = await store.list();
  const replay = await store.openForReplay(path);
  const [one, two] = await linesOf(replay);
  if (one === undefined || two === undefined) throw new Error('there are two lines');
  const put = BucketClient.prototype.put;
  vi.spyOn(BucketClient.prototype, 'put').mockImplementationOnce(async function (this: BucketClient, ...call) {
    await put.apply(this, call);
    return undefined;
  });
  await replay?.markDone([one]);
  await replay?.markDone([two]);
  await replay?.close();
  expect(await keys()).toEqual([]);
});

test.each([
  ['s3:PutObject', { operation: 'PutObject' }],
  ['s3:GetObject', { operation: 'GetObject' }],
  ['s3:ListBucket', { operation: 'ListObjectsV2' }],
  ['s3:DeleteObject', { operation: 'DeleteObject' }],
] as const)('check names %s if it is missing', async (action, match) => {
  const { location } = await setUp();
  expect(await inspectDeadLetters(location, never)).toMatchObject([{ status: 'ok' }]);
  server.fail(match, { status: 403, code: 'AccessDenied' });
  const findings = await inspectDeadLetters(location, never);
  expect(findings).toHaveLength(1);
  expect(findings[0]).toMatchObject({
    status: 'failed',
    message: expect.stringContaining(`access denied (${action})`),
  });
});

async function linesOf<Line>(
  source: { lines(): AsyncIterable<Line> } | AsyncIterable<Line> | undefined,
): Promise<Line[]> {
  const found: Line[] = [];
  if (source === undefined) return found;
  for await (const line of 'lines' in source ? source.lines() : source) found.push(line);
  return found;
}
