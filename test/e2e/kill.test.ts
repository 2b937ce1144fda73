/**
 * Promises 1 and 3, on the real process: SIGKILL at chosen moments, the object overwritten before the restart. The bucket
 * and the receiver are compared afterwards; nothing else is trusted.
 */
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Environment, runAgent, startAgent } from '../support/agent-process.ts';
import { expectNothingLost, expectRepeatsAreEqual, isQuiet, repeatedUids, uidsOf } from '../support/deliveries.ts';
import { auditLines, type DeliveryPlace, deliveryKey, directoryPlace, s3Place } from '../support/delivery-place.ts';
import { answers, type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../support/s3-server.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const batchRecords = 3;
const requestsInFlight = 2;

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterAll(() => s3.stop());

const places = { directory: directoryPlace, bucket: () => s3Place(s3) };

const added = auditLines(4, 100);
/** What becomes of the object while the agent is dead, one delivery after the other. */
const overwrites = {
  'the same again': (lines: readonly string[]) => [lines],
  extended: (lines: readonly string[]) => [[...lines, ...added]],
  rewritten: (lines: readonly string[]) => [[...added, ...lines.slice(2, -3), ...auditLines(2, 200)]],
  reordered: (lines: readonly string[]) => [lines.toReversed()],
  'shrunk, then extended': (lines: readonly string[]) => [lines.slice(0, 4), [...lines, ...added]],
} as const;

type Overwrite = keyof typeof overwrites;
type Place = keyof typeof places;

/** Brings the agent to the moment at which it dies. */
interface Moment {
  readonly prepare: (receiver: OtlpReceiver, dead: Promise<void>) => void;
  readonly requestCount: number;
}

/** From this request on the receiver stores nothing until the agent is dead, or answers nothing at all. */
function silenceFrom(index: number, after: 'neverStored' | 'stored'): Moment {
  return {
    prepare: (receiver, dead) => {
      const silence = after === 'stored' ? answers.hold(dead, answers.accept()) : answers.hang();
      receiver.answerWhen((request) => request.index >= index, silence);
    },
    requestCount: index + requestsInFlight,
  };
}

const moments = {
  'the first requests are sent and do not arrive': silenceFrom(0, 'neverStored'),
  'the first requests arrived and are not answered': silenceFrom(0, 'stored'),
  'requests in the middle are sent and do not arrive': silenceFrom(3, 'neverStored'),
  'requests in the middle arrived and are not answered': silenceFrom(3, 'stored'),
  'the last requests arrived and are not answered': silenceFrom(6, 'stored'),
  'the collector is out of order': {
    prepare: (receiver) => void receiver.answerWhen(({ index }) => index >= 2, answers.status(503)),
    requestCount: 5,
  },
} as const satisfies Record<string, Moment>;

const table: readonly (readonly [keyof typeof moments, Place, 'plain' | 'gzip', Overwrite])[] = [
  ['the first requests are sent and do not arrive', 'directory', 'plain', 'extended'],
  ['the first requests are sent and do not arrive', 'bucket', 'gzip', 'rewritten'],
  ['the first requests arrived and are not answered', 'directory', 'gzip', 'extended'],
  ['the first requests arrived and are not answered', 'bucket', 'plain', 'reordered'],
  ['the first requests arrived and are not answered', 'bucket', 'plain', 'shrunk, then extended'],
  ['requests in the middle are sent and do not arrive', 'directory', 'plain', 'rewritten'],
  ['requests in the middle are sent and do not arrive', 'bucket', 'plain', 'extended'],
  ['requests in the middle arrived and are not answered', 'directory', 'plain', 'the same again'],
  ['requests in the middle arrived and are not answered', 'directory', 'gzip', 'rewritten'],
  ['requests in the middle arrived and are not answered', 'bucket', 'plain', 'extended'],
  ['requests in the middle arrived and are not answered', 'bucket', 'gzip', 'extended'],
  ['requests in the middle arrived and are not answered', 'directory', 'plain', 'reordered'],
  ['requests in the middle arrived and are not answered', 'directory', 'plain', 'shrunk, then extended'],
  ['the last requests arrived and are not answered', 'bucket', 'plain', 'the same again'],
  ['the last requests arrived and are not answered', 'directory', 'gzip', 'extended'],
  ['the collector is out of order', 'directory', 'plain', 'extended'],
  ['the collector is out of order', 'bucket', 'gzip', 'reordered'],
];

describe('kill -9, then the object is overwritten, then a restart', () => {
  it.each(table)('while %s (%s, %s; %s): nothing is lost, and only what was in flight comes again', async (...row) => {
    const [moment, placeName, encoding, overwrite] = row;
    const { place, receiver, environment } = await scene(placeName);
    const key = deliveryKey('1', encoding === 'gzip' ? 'auditlogs_1.json.gz' : 'auditlogs_1.json');
    const lines = auditLines(24);
    await place.deliver(key, lines);

    const dead = Promise.withResolvers<void>();
    const { prepare, requestCount } = moments[moment];
    prepare(receiver, dead.promise);
    const agent = startAgent(['run'], environment);
    await agent.until('the moment has come', () => receiver.requests.length >= requestCount);
    await agent.kill();
    const inFlight = receiver.requests.filter(({ answer }) => answer?.kind !== 'accept');
    dead.resolve();
    receiver.acceptAgain();

    let content = lines;
    for (content of overwrites[overwrite](lines).map((delivery) => [...delivery])) {
      await place.deliver(key, content);
      await shipAll(environment);
    }

    expectNothingLost(receiver, content);
    expectRepeatsAreEqual(receiver);
    const uidsInFlight = new Set(uidsOf(inFlight));
    expect(uidsInFlight.size).toBeLessThanOrEqual(batchRecords * requestsInFlight);
    expect([...uidsInFlight]).toEqual(expect.arrayContaining(repeatedUids(receiver)));
  });

  it('repeats little also when one request hung while those behind it were accepted', async () => {
    const { place, receiver, environment } = await scene('directory');
    const lines = auditLines(60);
    await place.deliver(deliveryKey(), lines);
    receiver.answerWhen(({ index }) => index === 0, answers.hang());
    const agent = startAgent(['run'], environment);
    await agent.until('the second request is answered', () => receiver.accepted.length >= batchRecords);
    await agent.until('no more requests are sent', () => isQuiet(receiver));
    await agent.kill();
    await shipAll(environment);
    expectNothingLost(receiver, lines);
    expectRepeatsAreEqual(receiver);
    expect(repeatedUids(receiver).length).toBeLessThanOrEqual(batchRecords * requestsInFlight);
  });

  it('loses no dead letter when it dies while one cannot be written', async () => {
    const { place, receiver, environment } = await scene('directory');
    const lines = auditLines(9);
    await place.deliver(deliveryKey(), lines);
    const refused = lines[4] ?? '';
    receiver.answerWhen(
      ({ records }) => records.some(({ body }) => body === refused),
      answers.status(400, 'the record is not to my taste'),
    );
    const deadLetters = join(temporaryDirectory(), 'dead-letters');
    writeFileSync(deadLetters, 'a file is in the way');
    const withDeadLetters = { ...environment, DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters };

    const agent = startAgent(['run'], withDeadLetters);
    await agent.logged('Dead letters cannot be written; shipping waits and nothing is lost');
    await agent.kill();
    rmSync(deadLetters);
    await place.deliver(deliveryKey(), [...lines, ...added]);
    const { code, stderr } = await runAgent(['ship'], withDeadLetters);

    expect(code, stderr).toBe(1);
    expectNothingLost(
      receiver,
      [...lines, ...added].filter((line) => line !== refused),
    );
    expectRepeatsAreEqual(receiver);
    expect(readDeadLetters(deadLetters)).toMatchObject([
      {
        resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: refused } }] }] }],
        deadLetter: { httpStatus: 400, reason: expect.stringContaining('not to my taste') },
      },
    ]);
  });

  it('loses nothing of many objects in a life of many deaths', async () => {
    const { place, receiver, environment } = await scene('bucket');
    const keys = ['1', '2', '3'].flatMap((id) => [deliveryKey(id), deliveryKey(id, 'auditlogs_2.json.gz')]);
    const contents = new Map(keys.map((key, index) => [key, auditLines(8, 1000 * index, { key })]));
    const seen = new Set<string>();
    for (let life = 1; life <= 6; life++) {
      for (const [key, lines] of contents) {
        for (const line of lines) seen.add(line);
        await place.deliver(key, lines);
      }
      const { length } = receiver.requests;
      const agent = startAgent(['run'], environment);
      await agent.until('some requests arrived', () => receiver.requests.length >= length + 2 * life - 1);
      await agent.kill();
      for (const [index, key] of keys.entries()) {
        const lines = contents.get(key) ?? [];
        const more = auditLines(3, 1000 * index + 100 * life, { key });
        contents.set(key, (index + life) % 3 === 0 ? [...more, ...lines.toReversed()] : [...lines, ...more]);
      }
    }
    for (const [key, lines] of contents) await place.deliver(key, lines);
    await shipAll(environment);
    expectNothingLost(receiver, [...contents.values()].flat());
    expectRepeatsAreEqual(receiver);
    const sendsMax = Math.max(...[...Map.groupBy(receiver.acceptedUids(), (uid) => uid).values()].map((s) => s.length));
    expect(repeatedUids(receiver).length).toBeLessThanOrEqual(6 * batchRecords * requestsInFlight);
    expect(sendsMax).toBeLessThanOrEqual(3);
  });
});

interface Scene {
  readonly place: DeliveryPlace;
  readonly receiver: OtlpReceiver;
  readonly environment: Environment;
}

async function scene(placeName: Place): Promise<Scene> {
  const place = await places[placeName]();
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const environment = {
    ...place.environment,
    DATABRICKS_AUDIT_SOURCE: place.source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    // The date in these tests is fixed. Behind the look-back the state forgets its lines, and a rewritten object is sent again.
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    DATABRICKS_AUDIT_BATCH_RECORDS: String(batchRecords),
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: String(requestsInFlight),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { place, receiver, environment };
}

async function shipAll(environment: Environment): Promise<void> {
  const { code, stderr } = await runAgent(['ship'], environment);
  expect(code, stderr).toBe(0);
}

function readDeadLetters(directory: string): unknown[] {
  if (!existsSync(directory)) return [];
  return globSync(join(directory, '*.jsonl')).flatMap((path) =>
    readFileSync(path, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
  );
}
