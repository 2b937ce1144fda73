/**
 * The core guarantees, tested with arbitrary histories of one object: it is overwritten in every possible way, and the process
 * dies at arbitrary batches. The oracle does not know offsets or hashes: it counts what arrived.
 */
import { once } from 'node:events';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DeliveryState } from '../../src/contracts/delivery-state.ts';
import type { Batch, BatchEnd, Exporter } from '../../src/contracts/exporter.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { BatchMemoryPool } from '../../src/pipeline/batch-memory.ts';
import { ObjectShipper, type Visitor } from '../../src/pipeline/object-shipper.ts';
import { ObjectVisitor } from '../../src/pipeline/object-visitor.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { Semaphore } from '../../src/runtime/semaphore.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { memoryObject } from '../support/memory-object.ts';
import { plainMapper, plainRecordsOf } from '../support/plain-encoder.ts';
import { fc } from '../support/property-tests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { workerHere } from '../support/worker-here.ts';

/** One delivery of the object, and the time at which the process that ships it dies. */
const delivery = fc.record({
  /** Names of lines; few, so that equal lines in one object are common. */
  lines: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 12 }),
  change: fc.constantFrom('extended', 'same', 'rewritten', 'shrunk', 'reordered'),
  endsWithNewline: fc.boolean(),
  chunkBytes: fc.integer({ min: 1, max: 40 }),
  recordsMax: fc.integer({ min: 1, max: 4 }),
  /** The batch at which the process dies; that batch may or may not have arrived. */
  diesAtBatch: fc.option(fc.integer({ min: 0, max: 6 })),
  lastBatchArrives: fc.boolean(),
});

type Delivery = typeof delivery extends fc.Arbitrary<infer Value> ? Value : never;

class Receiver {
  /** uid → the records that arrived with it, one entry per send. */
  readonly received = new Map<string, string[]>();
  /** Uids that were in flight when a process died: each may be sent again, once per death. */
  readonly mayRepeat = new Map<string, number>();

  accept(batch: Batch): void {
    for (const { uid, record } of plainRecordsOf(batch)) {
      this.received.set(uid, [...(this.received.get(uid) ?? []), record]);
    }
  }

  inFlightAtDeath(uids: readonly string[]): void {
    for (const uid of uids) this.mayRepeat.set(uid, (this.mayRepeat.get(uid) ?? 0) + 1);
  }
}

class Death extends Error {}

/** Accepts batches until the process is to die, and does not answer from then on. */
function mortalExporter(receiver: Receiver, { diesAtBatch, lastBatchArrives }: Delivery, die: () => void): Exporter {
  let count = 0;
  let dead = false;
  const unsettled: string[][] = [];
  return {
    async export(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
      unsettled.push(plainRecordsOf(batch).map(({ uid }) => uid));
      if (!dead && count++ === diesAtBatch) {
        dead = true;
        if (lastBatchArrives) receiver.accept(batch);
        // What this process sent may not be settled on disk yet, so all of it counts as in flight.
        for (const each of unsettled) receiver.inFlightAtDeath(each);
        die();
      }
      if (dead) await aborted(signal);
      receiver.accept(batch);
      return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
    },
    async close() {},
  };
}

/** Rejects with the signal's reason. A worker receives it a little later than the main thread. */
async function aborted(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

type Create = (abandon: AbortSignal) => Visitor;
type Place = (abandon: AbortSignal, create: Create) => Visitor;

/** Where the object is visited: on the main thread, or in a worker whose changes the main thread writes. */
const places: readonly (readonly [name: string, numRuns: number, place: Place])[] = [
  ['on the main thread', 200, (abandon, create) => create(abandon)],
  ['in a worker', 50, (abandon, create) => workerHere({ abandon }, (main) => create(main.abandon))],
];

/** @returns the directory for the next process: the files as they were at the death of this one. */
async function live(
  content: string,
  life: Delivery,
  index: number,
  directory: string,
  receiver: Receiver,
  place: Place,
) {
  const nextDirectory = join(directory, '..', `life-${index}`);
  const death = new AbortController();
  const state: DeliveryState = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  const counters = new Counters();
  const die = () => {
    cpSync(directory, nextDirectory, { recursive: true });
    death.abort(new Death());
  };
  const memory = new BatchMemoryPool(plainMapper(), 'protobuf');
  const parts = {
    decoder: createDecoder({ lineBytesMax: 1000 }),
    batchMemoryFor: () => memory,
    hashSecret: state.hashSecret,
    exporter: mortalExporter(receiver, life, die),
    batchLimits: { recordsMax: life.recordsMax, bytesMax: 1_000_000 },
    requestSlots: new Semaphore(2),
    unsettledBatchesMax: 2,
    observe: (event: AgentEvent) => counters.observe(event),
    logger: silentLogger,
  };
  const visitor = place(death.signal, (abandon) => new ObjectVisitor({ ...parts, abandon }));
  const shipper = new ObjectShipper(state, visitor);
  const object = memoryObject(content, { chunkBytes: life.chunkBytes, modifiedAtMs: 1_760_000_000_000 + index * 1000 });
  try {
    expect(['settled', 'unchanged']).toContain((await shipper.ship(object, death.signal)).status);
    expect(counters.linesRead).toBe(counters.linesNew + counters.linesAlreadyShipped);
    expect(counters.linesInFlight).toBe(0);
    return directory;
  } catch (error) {
    if (!(error instanceof Death)) throw error;
    return nextDirectory;
  } finally {
    await state.close();
  }
}

function overwrite(before: readonly number[], { change, lines }: Delivery): readonly number[] {
  switch (change) {
    case 'extended':
      return [...before, ...lines];
    case 'same':
      return before;
    case 'rewritten':
      return lines;
    case 'shrunk':
      return before.slice(0, Math.floor(before.length / 2));
    default:
      return before.toReversed();
  }
}

describe.each(places)('ObjectShipper %s, on arbitrary histories of an object', (_, numRuns, place) => {
  it('loses nothing, and repeats only what was in flight at a death, byte for byte', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(delivery, { minLength: 1, maxLength: 8 }), async (deliveries) => {
        const receiver = new Receiver();
        let directory = join(temporaryDirectory(), 'life');
        let lines: readonly number[] = [];
        const copiesMax = new Map<number, number>();
        const last: Delivery = {
          ...deliveries[0],
          change: 'same',
          diesAtBatch: null,
          chunkBytes: 7,
          recordsMax: 3,
        } as Delivery;
        for (const [index, life] of [...deliveries, last].entries()) {
          lines = overwrite(lines, life);
          for (const name of lines) {
            const copies = lines.filter((other) => other === name).length;
            copiesMax.set(name, Math.max(copies, copiesMax.get(name) ?? 0));
          }
          const content =
            lines.map((name) => `{"line":${name}}`).join('\n') + (life.endsWithNewline && lines.length > 0 ? '\n' : '');
          directory = await live(content, life, index, directory, receiver, place);
        }

        const uidsOf = (name: number) =>
          [...receiver.received].filter(([, sends]) => sends[0]?.includes(`{\\"line\\":${name}}`)).map(([uid]) => uid);
        for (const name of new Set(lines)) {
          const copies = lines.filter((other) => other === name).length;
          expect(uidsOf(name).length, `line ${name} is lost`).toBeGreaterThanOrEqual(copies);
        }
        for (const [name, copies] of copiesMax) {
          expect(uidsOf(name).length, `line ${name} came again under a new uid`).toBeLessThanOrEqual(copies);
        }
        for (const [uid, sends] of receiver.received) {
          expect(new Set(sends).size, `${uid} was sent in two forms`).toBe(1);
          expect(sends.length, `${uid} was repeated`).toBeLessThanOrEqual(1 + (receiver.mayRepeat.get(uid) ?? 0));
        }
      }),
      { numRuns },
    );
  });
});
