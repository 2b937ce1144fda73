/**
 * Guarantees 1 and 3 at every named point (src/contracts/step.ts). A real process is killed there, at the first, the middle and the
 * last batch. On copies of the files that it left, everything that can happen to the object happens, and another agent continues.
 * What arrived is compared with the bucket; nothing else is trusted.
 *
 * `npm run kill-table` runs all combinations and writes the table in docs/delivery.md. `npm run proof` runs every point and batch on
 * plain files, a selection of gzip, buckets and rewritten objects that covers each pair, and each point once with workers.
 */
import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { shipHere } from '../../support/agent-here.ts';
import { startAgent } from '../../support/agent-process.ts';
import {
  type Arrivals,
  bodyOf,
  expectRepeatsAreEqual,
  lostLines,
  readDeadLetters,
  repeatedUids,
} from '../../support/deliveries.ts';
import {
  auditLines,
  type DeliveryScene,
  deliveryKey,
  deliveryScene,
  directoryPlace,
  s3Place,
  smallBatches,
} from '../../support/delivery-place.ts';
import {
  type History,
  type KillPoint,
  type KillPointFacts,
  type KillResult,
  killPoints,
  type Moment,
  moments,
  type OnDisk,
  writeTable,
} from '../../support/kill-table.ts';
import { s3Event, testEvent } from '../../support/notifications.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { startQueue } from '../../support/sqs-queue.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const { KILL_TABLE } = process.env;
const wholeProduct = KILL_TABLE === 'all';
const killAtStep = new URL('../../support/kill-at-step.ts', import.meta.url).href;

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterAll(() => s3.stop());

const places = { directory: directoryPlace, bucket: () => s3Place(s3) };
const names = { plain: 'auditlogs_1.json', gzip: 'auditlogs_1.json.gz' };

const shippedBefore = auditLines(6);
const newLines = auditLines(9, 6);
const contents: Readonly<Record<History, readonly string[]>> = {
  extended: [...shippedBefore, ...newLines],
  rewritten: [...newLines.slice(0, 4), ...shippedBefore.toReversed(), ...newLines.slice(4)],
  none: [...shippedBefore, ...newLines],
  damaged: [...shippedBefore, ...newLines],
};
/** The middle line of each batch. */
const refusedLines = newLines.filter((_, index) => index % smallBatches.records === 1);

const added = auditLines(4, 100);
/** What can happen to the object while no agent runs: a sequence of deliveries. */
const fates: Readonly<Record<string, (lines: readonly string[]) => readonly (readonly string[])[]>> = {
  untouched: () => [],
  'the same again': (lines) => [lines],
  extended: (lines) => [[...lines, ...added]],
  rewritten: (lines) => [[...added, ...lines.slice(2, -3), ...auditLines(2, 200)]],
  reordered: (lines) => [lines.toReversed()],
  'shrunk, then extended': (lines) => [lines.slice(0, 8), [...lines, ...added]],
};

interface Row {
  readonly point: KillPoint;
  readonly passing: number;
  readonly facts: KillPointFacts;
  readonly history: History;
  readonly encoding: keyof typeof names;
  readonly placeName: keyof typeof places;
  /** Worker threads of the killed process. Depending on the step, the main thread or a worker reaches it. */
  readonly workers: 1 | 2;
}

const results: KillResult[] = [];
afterAll(() => {
  if (KILL_TABLE !== undefined && results.length === rows().length) writeTable(results);
});

describe('killed', () => {
  it.each(rows())(
    'at "$point" ($passing; $history, $encoding, $placeName, workers: $workers) it loses nothing, whatever happens to the object, and repeats only what was in flight',
    async (row) => {
      const scene = await deliveryScene(await places[row.placeName](), { DATABRICKS_AUDIT_MAX_IN_FLIGHT: '1' });
      const content = contents[row.history];
      await prepare(scene, row);
      const before = await kill(scene, row);
      const leftBehind = join(temporaryDirectory(), 'state');
      cpSync(scene.stateDirectory, leftBehind, { recursive: true });
      const found = onDisk(leftBehind, row);
      if (row.facts.announced !== undefined) expect(found.announcedLines).toBe(row.facts.announced);

      const worst = { lostMax: 0, sentAgainMax: 0, lettersAgainMax: 0, restarts: 0 };
      for (const [fate, deliveries] of fatesOf(row)) {
        restore(leftBehind, scene.stateDirectory);
        const { length: acceptedBefore } = scene.receiver.accepted;
        const { length: requestsBefore } = scene.receiver.requests;
        let last = content;
        for (last of deliveries(content)) {
          await scene.place.deliver(deliveryKey('1', names[row.encoding]), last);
          if (last.length < content.length) await shipHere(scene.environment);
        }
        await shipHere(scene.environment);
        const all: Arrivals = {
          accepted: [...before.accepted, ...scene.receiver.accepted.slice(acceptedBefore)],
          requests: [...before.requests, ...scene.receiver.requests.slice(requestsBefore)],
        };
        const letters = lettersOf(scene.stateDirectory);
        const refused = row.facts.refusing === true ? refusedLines : [];
        expectRepeatsAreEqual(all);
        const lost = [
          ...lostLines(
            all,
            last.filter((line) => !refused.includes(line)),
          ),
          ...refused.filter((line) => last.includes(line) && !letters.includes(line)),
        ];
        const sentAgain = repeatedUids(all).length;
        const lettersAgain = letters.length - new Set(letters).size;
        expect(lost, `lost when the object was ${fate}`).toEqual([]);
        expect(sentAgain, `sent again when the object was ${fate}`).toBeLessThanOrEqual(row.facts.sentAgainMax);
        expect(lettersAgain, `letters again when the object was ${fate}`).toBeLessThanOrEqual(
          row.facts.lettersAgainMax ?? 0,
        );
        worst.lostMax = Math.max(worst.lostMax, lost.length);
        worst.sentAgainMax = Math.max(worst.sentAgainMax, sentAgain);
        worst.lettersAgainMax = Math.max(worst.lettersAgainMax, lettersAgain);
        worst.restarts++;
      }
      results.push({ point: row.point, passing: row.passing, onDisk: found, ...worst });
    },
    120_000,
  );
});

/** All combinations, or every point and batch on plain files and a selection of the rest that covers each pair. */
function rows(): Row[] {
  const all = killPoints.flatMap(([point, facts]) =>
    facts.passings.flatMap((passing) =>
      facts.histories.flatMap((history) =>
        (['plain', 'gzip'] as const).flatMap((encoding) =>
          (['directory', 'bucket'] as const).flatMap((placeName) =>
            // Workers decode like the main thread, so plain files are enough.
            (encoding === 'plain' ? ([1, 2] as const) : ([1] as const)).map(
              (workers): Row => ({ point, passing, facts, history, encoding, placeName, workers }),
            ),
          ),
        ),
      ),
    ),
  );
  // Only buckets send notifications, and the main thread follows the queue.
  const possible = all.filter(
    ({ facts, placeName, workers }) => !facts.queue || (placeName === 'bucket' && workers === 1),
  );
  if (wholeProduct) return possible;
  const order = killPoints.map(([point]) => point);
  return possible.filter(({ point, passing, facts, history, encoding, placeName, workers }) => {
    if (facts.queue) return encoding === 'plain';
    const isFirstHistory = history === facts.histories[0];
    if (workers === 2) {
      const isMiddleBatch = passing === facts.passings[Math.floor(facts.passings.length / 2)];
      return isFirstHistory && isMiddleBatch && encoding === 'plain' && placeName === 'directory';
    }
    if (isFirstHistory && encoding === 'plain' && placeName === 'directory') return true;
    const index = order.indexOf(point);
    if (passing !== facts.passings[index % facts.passings.length]) return false;
    // Two more per point: gzip in a bucket with the other history, and either of the two with the first history.
    if (encoding === 'gzip' && placeName === 'bucket') return history === facts.histories.at(-1);
    return isFirstHistory && (encoding === 'gzip') === (index % 2 === 0);
  });
}

function fatesOf({ history }: Row) {
  // Then everything is sent again, with a new observed time if it was overwritten in the meantime; other tests cover that.
  return Object.entries(fates).filter(([fate]) => history !== 'damaged' || fate === 'untouched');
}

/** Prepares the object and the state for the process that is to be killed. */
async function prepare(
  { place, receiver, stateDirectory, environment }: DeliveryScene,
  { history, encoding, facts }: Row,
) {
  const key = deliveryKey('1', names[encoding]);
  if (history === 'extended' || history === 'rewritten') {
    await place.deliver(key, shippedBefore);
    await shipHere(environment);
  }
  if (facts.queue === true) return;
  await place.deliver(key, contents[history]);
  if (history === 'damaged') {
    await shipHere(environment);
    writeFileSync(join(stateDirectory, 'delivery.db'), 'this is no database\n'.repeat(500));
  }
  if (facts.refusing === true) {
    receiver.answerWhen(
      ({ records }) => records.some(({ body = '' }) => refusedLines.includes(body)),
      answers.status(400, 'the record is not to my taste'),
    );
  }
}

/** @returns what had arrived when the process was dead. */
async function kill({ environment: given, ...scene }: DeliveryScene, row: Row): Promise<Arrivals> {
  const { receiver } = scene;
  const environment = { ...given, DATABRICKS_AUDIT_WORKERS: String(row.workers) };
  if (isMoment(row.point)) {
    await killAtMoment({ ...scene, environment }, row.point, row.passing);
  } else if (row.facts.queue === true) {
    await killFollowing({ ...scene, environment }, row);
  } else {
    const at = { KILL_AT_STEP: row.point, KILL_AT_PASSING: String(row.passing) };
    const { code, stderr } = await startAgent(['ship'], { ...environment, ...at }, { preload: killAtStep }).exit;
    expect(code, `"${row.point}" was reached and the process killed there\n${stderr}`).toBeNull();
  }
  return { accepted: [...receiver.accepted], requests: [...receiver.requests] };
}

/** The object is overwritten after the first walk, and a notification finds it. */
async function killFollowing({ place, environment }: DeliveryScene, row: Row): Promise<void> {
  const queue = await startQueue(s3);
  await queue.send(testEvent);
  const at = { KILL_AT_STEP: row.point, KILL_AT_PASSING: String(row.passing) };
  const agent = startAgent(['run'], { ...environment, ...queue.environment, ...at }, { preload: killAtStep });
  await expect.poll(() => queue.count()).toBe(0);
  const key = deliveryKey('1', names[row.encoding]);
  await place.deliver(key, contents[row.history]);
  await queue.send(s3Event({ bucket: place.source.slice('s3://'.length), key }));
  const { code, stderr } = await agent.exit;
  expect(code, `"${row.point}" was reached and the process killed there\n${stderr}`).toBeNull();
}

function isMoment(point: KillPoint): point is Moment {
  return moments.some((moment) => moment === point);
}

async function killAtMoment({ receiver, environment }: DeliveryScene, moment: Moment, passing: number): Promise<void> {
  const { length } = receiver.requests;
  const dead = Promise.withResolvers<void>();
  const silence = moment === 'records stored' ? answers.hold(dead.promise, answers.accept()) : answers.hang();
  const heal = receiver.answerWhen(({ index }) => index >= length + passing - 1, silence);
  const agent = startAgent(['ship'], environment);
  await agent.until('the request arrived', () => receiver.requests.length >= length + passing);
  const { length: acceptedBefore } = receiver.accepted;
  await agent.kill();
  heal();
  dead.resolve();
  if (moment === 'records stored') {
    await expect.poll(() => receiver.accepted.length).toBe(acceptedBefore + smallBatches.records);
  }
}

function restore(leftBehind: string, directory: string): void {
  rmSync(directory, { recursive: true });
  cpSync(leftBehind, directory, { recursive: true });
}

/** Reads a copy, because opening a database that has a write-ahead log changes both. */
function onDisk(directory: string, { history }: Row): OnDisk {
  const copy = join(temporaryDirectory(), 'state');
  cpSync(directory, copy, { recursive: true });
  const database = new DatabaseSync(join(copy, 'delivery.db'));
  try {
    const hasTables = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'object'").get() !== undefined;
    const one = (sql: string) => (hasTables ? Number(database.prepare(sql).get()?.value ?? 0) : 0);
    const settledBefore = history === 'extended' || history === 'rewritten' ? shippedBefore.length : 0;
    return {
      announcedLines: one('SELECT sum(length(line_hashes)) / 8 AS value FROM announcement'),
      settledLines: one('SELECT sum(length(hashes)) / 8 AS value FROM line_hashes') - settledBefore,
      letters: lettersOf(copy).length,
    };
  } finally {
    database.close();
  }
}

/** Bodies of the records in the dead-letter files. */
function lettersOf(stateDirectory: string): readonly string[] {
  return readDeadLetters(join(stateDirectory, 'dead-letters')).map(bodyOf);
}
