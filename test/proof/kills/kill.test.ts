/**
 * Guarantees 1 and 3 with the real process: SIGKILL in situations that the kill table (kill-table.test.ts) does not cover: several
 * requests or objects in flight, or several kills in a row.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Environment, runAgent, startAgent } from '../../support/agent-process.ts';
import {
  expectNothingLost,
  expectRepeatsAreEqual,
  isQuiet,
  readDeadLetters,
  repeatedUids,
  uidsOf,
} from '../../support/deliveries.ts';
import {
  auditLines,
  deliveryKey,
  deliveryScene,
  directoryPlace,
  s3Place,
  smallBatches,
} from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterAll(() => s3.stop());

const { records: batchRecords, inFlight: requestsInFlight } = smallBatches;
const added = auditLines(4, 100);

describe('kill -9', () => {
  it.each([
    ['the collector is out of order', () => answers.status(503)],
    ['two requests arrived and are not answered', (dead: Promise<void>) => answers.hold(dead, answers.accept())],
  ])(
    'repeats at most what was in flight while %s and the object is extended before the restart',
    async (_, silence) => {
      const { place, receiver, environment } = await deliveryScene(await s3Place(s3));
      const lines = auditLines(24);
      await place.deliver(deliveryKey(), lines);
      const dead = Promise.withResolvers<void>();
      receiver.answerWhen(({ index }) => index >= 3, silence(dead.promise));
      const agent = startAgent(['run'], environment);
      await agent.until('two requests are in flight', () => receiver.requests.length >= 3 + requestsInFlight);
      await agent.kill();
      const inFlight = receiver.requests.filter(({ answer }) => answer?.kind !== 'accept');
      dead.resolve();
      receiver.acceptAgain();

      await place.deliver(deliveryKey(), [...lines, ...added]);
      await shipAll(environment);
      expectNothingLost(receiver, [...lines, ...added]);
      expectRepeatsAreEqual(receiver);
      expect(uidsOf(inFlight)).toEqual(expect.arrayContaining(repeatedUids(receiver)));
      expect(repeatedUids(receiver).length).toBeLessThanOrEqual(batchRecords * requestsInFlight);
    },
  );

  it('repeats little even if one request hung while later ones were accepted', async () => {
    const { place, receiver, environment } = await deliveryScene(directoryPlace());
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

  it('loses no dead letter if it dies while one cannot be written', async () => {
    const { place, receiver, environment } = await deliveryScene(directoryPlace());
    const lines = auditLines(9);
    await place.deliver(deliveryKey(), lines);
    const refused = lines[4] ?? '';
    receiver.answerWhen(
      ({ records }) => records.some(({ body }) => body === refused),
      answers.status(400, 'the record is invalid'),
    );
    const deadLetters = join(temporaryDirectory(), 'dead-letters');
    writeFileSync(deadLetters, 'a file is in the way');
    const withDeadLetters = { ...environment, DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters };

    const agent = startAgent(['run'], withDeadLetters);
    await agent.logged('Dead letters cannot be written; shipping pauses, nothing is lost');
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
        deadLetter: { version: 2, protocol: 'http', code: 400, reason: expect.stringContaining('invalid') },
      },
    ]);
  });

  it('loses nothing of many objects over many kills', async () => {
    const { place, receiver, environment } = await deliveryScene(await s3Place(s3));
    const keys = ['1', '2', '3'].flatMap((id) => [deliveryKey(id), deliveryKey(id, 'auditlogs_2.json.gz')]);
    const contents = new Map(keys.map((key, index) => [key, auditLines(8, 1000 * index, { key })]));
    const seen = new Set<string>();
    const deaths = 6;
    for (let life = 1; life <= deaths; life++) {
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
    expect(repeatedUids(receiver).length).toBeLessThanOrEqual(deaths * batchRecords * requestsInFlight);
    // A line can be in flight at several kills in a row.
    expect(sendsMax).toBeLessThanOrEqual(1 + deaths);
  });
});

async function shipAll(environment: Environment): Promise<void> {
  const { code, stderr } = await runAgent(['ship'], environment);
  expect(code, stderr).toBe(0);
}
