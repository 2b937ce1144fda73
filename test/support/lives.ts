/**
 * Simulates successive processes on one state directory, with objects in memory: the first is killed during a batch while other
 * objects are settled; later ones run after objects have been overwritten in every way. Then audits the result.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import type { DeliveryState } from '../../src/contracts/delivery-state.ts';
import type { Exporter } from '../../src/contracts/exporter.ts';
import { unobserved } from '../../src/contracts/observer.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { isAgentError } from '../../src/model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { BatchMemoryPool } from '../../src/pipeline/batch-memory.ts';
import { ObjectShipper } from '../../src/pipeline/object-shipper.ts';
import { ObjectVisitor } from '../../src/pipeline/object-visitor.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { Semaphore } from '../../src/runtime/semaphore.ts';
import { memoryObject } from './memory-object.ts';
import { plainMapper, plainRecord, plainRecordsOf, plainUid } from './plain-encoder.ts';
import { identifiedLine } from './sample-lines.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** An object as the first process shipped it, and as it is when the damage is detected. */
interface Delivery {
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const lines = (name: string, count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => `{"of":"${name}","line":${from + index}}`);

const deliveries: Readonly<Record<string, Delivery>> = {
  unchanged: { before: lines('u', 9), after: lines('u', 9) },
  extended: { before: lines('e', 9), after: lines('e', 13) },
  reordered: { before: lines('r', 9), after: [...lines('r', 2, 50), ...lines('r', 9).toReversed()] },
  // Some lines occur twice and must arrive with distinct uids.
  doubled: { before: lines('d', 9), after: [...lines('d', 9), ...lines('d', 3)] },
  // The last line has no newline, and becomes a different line when bytes are appended.
  unended: { before: [...lines('n', 3), '{"half":1'], after: [...lines('n', 3), '{"half":12}', ...lines('n', 1, 9)] },
  // The first process is killed while shipping this object.
  interrupted: { before: lines('i', 9), after: lines('i', 12) },
  new: { before: [], after: lines('w', 4) },
};
const interrupted = 'interrupted';
const modifiedAtMs = { before: 1_760_000_000_000, after: 1_760_000_100_000 };
const createdOn = '2026-01-31';
/** Of every batch. */
const eventTimes = { oldestMs: 1_759_999_000_000, newestMs: 1_759_999_100_000, lateCount: 0 };

/** uid → the records received with it. */
export type Sent = Map<string, string[]>;

/** Lines that were in flight when the first process was killed. */
export const inFlightLines = 3;

/** What a process leaves behind when it is killed with a batch in flight: a database with a write-ahead log. */
export async function killed(): Promise<{ directory: string; sent: Sent }> {
  const root = temporaryDirectory();
  const directory = join(root, 'left');
  const running = join(root, 'running');
  const sent: Sent = new Map();
  const settled = Object.keys(deliveries).filter((name) => name !== interrupted && name !== 'new');
  await live(running, sent, 'before', settled);
  await live(running, sent, 'before', [interrupted], () => cpSync(running, directory, { recursive: true }));
  return { directory, sent };
}

/** The same, with the write-ahead log checkpointed into the database. */
export async function checkpointed(): Promise<{ directory: string; sent: Sent }> {
  const { directory, sent } = await killed();
  new DatabaseSync(join(directory, 'delivery.db')).exec('PRAGMA wal_checkpoint(TRUNCATE)');
  return { directory, sent };
}

/** Like `run`: closing a damaged state moves it aside, and the next process starts with a new one. */
export async function liveOn(directory: string, sent: Sent): Promise<void> {
  const livesMax = 3;
  for (let life = 1; life <= livesMax; life++) {
    try {
      return await live(directory, sent, 'after', Object.keys(deliveries));
    } catch (error) {
      if (!isAgentError(error, 'ERR_STATE_DAMAGED')) throw error;
    }
  }
  throw new Error('the state is damaged again and again');
}

/** @param dies called during the second batch, which arrives but is not settled. */
async function live(
  directory: string,
  sent: Sent,
  time: keyof Delivery,
  names: readonly string[],
  dies?: () => void,
): Promise<void> {
  const death = new AbortController();
  const clock = restlessClock(death);
  const state = await openDeliveryState({ directory, clock, logger: silentLogger });
  let batchCount = 0;
  const exporter: Exporter = {
    async export(batch, signal) {
      for (const { uid, record } of plainRecordsOf(batch)) sent.set(uid, [...(sent.get(uid) ?? []), record]);
      if (dies !== undefined && ++batchCount === 2) {
        dies();
        death.abort(new Error('dead'));
      }
      signal.throwIfAborted();
      return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
    },
    async close() {},
  };
  const shipper = shipperOn(state, exporter, death.signal);
  try {
    expect(state.createdOn).toBe(createdOn);
    for (const { lastEventMs } of await state.workspaces()) expect(lastEventMs).toBe(eventTimes.newestMs);
    for (const name of names) await shipper.ship(objectOf(name, time), death.signal);
  } catch (error) {
    if (dies === undefined || error !== death.signal.reason) throw error;
  } finally {
    await state.close();
  }
}

/** A shipper with small batches and one request at a time. */
export function shipperOn(
  state: DeliveryState,
  exporter: Exporter,
  abandon: AbortSignal,
  recordsMax = 3,
): ObjectShipper {
  const memory = new BatchMemoryPool(plainMapper(eventTimes), 'protobuf');
  const visitor = new ObjectVisitor({
    decoder: createDecoder(),
    batchMemoryFor: () => memory,
    exporter,
    hashSecret: state.hashSecret,
    batchLimits: { recordsMax, bytesMax: 1_000_000 },
    requestSlots: new Semaphore(1),
    unsettledBatchesMax: 1,
    abandon,
    observe: unobserved,
    logger: silentLogger,
  });
  return new ObjectShipper(state, visitor);
}

/** Never waits. If the state waits for the disk to recover, the process ends instead, because this disk never recovers. */
function restlessClock(death: AbortController): Clock {
  const patienceMs = 100;
  return {
    nowMs: () => Date.parse(createdOn),
    random: () => 0.5,
    async sleep(delayMs, signal) {
      if (delayMs > patienceMs) death.abort(new Error('waits for a disk that never recovers'));
      await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      death.signal.throwIfAborted();
    },
  };
}

function objectOf(name: string, time: keyof Delivery): DeliveredObject {
  const content = deliveries[name]?.[time] ?? [];
  const isUnended = name === 'unended' && time === 'before';
  const text = content.join('\n') + (isUnended || content.length === 0 ? '' : '\n');
  // An object that was not overwritten keeps its modification time.
  const object = memoryObject(text, { modifiedAtMs: modifiedAtMs[name === 'unchanged' ? 'before' : time] });
  return { ...object, origin: { ...object.origin, id: `s3://audit/${name}` as ObjectId } };
}

/** The problems that an audit of all sent records finds. */
export function problemsOf(sent: Sent): string[] {
  const allowed = new Map<string, Set<string>>();
  const problems: string[] = [];
  for (const [name, delivery] of Object.entries(deliveries)) {
    for (const time of ['before', 'after'] as const) {
      const observedAtMs = objectOf(name, time).version.modifiedAtMs;
      const seen = new Map<string, number>();
      for (const text of delivery[time]) {
        const occurrence = (seen.get(text) ?? 0) + 1;
        seen.set(text, occurrence);
        const line = identifiedLine(text, { occurrence, observedAtMs });
        const uid = plainUid(line);
        allowed.set(uid, (allowed.get(uid) ?? new Set()).add(plainRecord(line)));
        if (time === 'after' && !sent.has(uid)) problems.push(`lost: ${text}, occurrence ${occurrence}`);
      }
    }
  }
  for (const [uid, records] of sent) {
    for (const record of records) if (allowed.get(uid)?.has(record) !== true) problems.push(`never was: ${record}`);
  }
  return problems;
}

/** The number of lines that were received again in a different form. */
export function changedCount(sent: Sent): number {
  return [...sent.values()].filter((records) => new Set(records).size > 1).length;
}

/** The number of lines that were received more than once. */
export function repeatedCount(sent: Sent): number {
  return [...sent.values()].filter(({ length }) => length > 1).length;
}
