import assert from 'node:assert';
import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Batch, Exporter } from '../../src/contracts/exporter.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import { openDeliveryReader, openDeliveryState } from '../../src/delivery/index.ts';
import type { DeliveredObject } from '../../src/model/object.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { compareObject } from '../../src/tools/reconcile/object-comparison.ts';
import { countingExporter } from '../support/counting-exporter.ts';
import { shipperOn } from '../support/lives.ts';
import { type MemoryObjectOptions, memoryObject } from '../support/memory-object.ts';
import { plainRecordsOf, plainUid } from '../support/plain-encoder.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never = new AbortController().signal;

function openState(directory = temporaryDirectory()) {
  return openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
}

it('an object whose date leaves the lookback window while it is read yields only the added lines', async () => {
  const state = await openState();
  const { exporter, shipped } = countingExporter();
  const shipper = shipperOn(state, exporter, never, 100);
  await shipper.ship(memoryObject('{"a":1}\n{"a":2}\n'), never);
  const extended = memoryObject('{"a":1}\n{"a":2}\n{"a":3}\n', { modifiedAtMs: 1_760_000_100_000 });
  const open = async (signal: AbortSignal) => {
    state.dropLineHashes('2026-02-07');
    return await extended.open(signal);
  };
  expect(await shipper.ship({ ...extended, open }, never)).toEqual({ status: 'settled' });
  expect(shipped).toEqual([2, 1]);
  await state.close();
});

it('closes an object before it reads it again to compare it', async () => {
  const state = await openState();
  const exporter = {
    export: async ({ recordCount: acceptedCount }: Batch) => ({
      acceptedCount,
      deadLetteredCount: 0,
    }),
    async close() {},
  };
  const shipper = shipperOn(state, exporter, never, 100);
  const object = memoryObject('{"a":1}\n');
  let [openedCount, closedCount] = [0, 0];
  const open = async (signal: AbortSignal) => {
    openedCount++;
    const bytes = await object.open(signal);
    return (async function* () {
      try {
        yield* bytes;
      } finally {
        closedCount++;
      }
    })();
  };
  await shipper.ship({ ...object, open }, never);
  await state.reopen(object, never);
  await shipper.ship({ ...object, open }, never);
  expect(openedCount).toBe(3);
  expect(closedCount).toBe(openedCount);
  await state.close();
});

it('an object whose chunks share memory is recognised by its digest', async () => {
  const directory = temporaryDirectory();
  const state = await openState(directory);
  const content = '{"a":1}\n{"a":2}\n{"a":3}\n{"a":4}';
  const object = memoryObject(content, { chunkBytes: 5 });
  await shipperOn(state, countingExporter().exporter, never, 100).ship(object, never);
  const reader = await openDeliveryReader(directory);
  const known = await reader?.read(object.origin.id);
  expect(Buffer.from(known?.state?.settled.digest ?? [])).toEqual(hash('sha256', content, 'buffer'));
  await reader?.close();
  await state.close();
});

it.each([
  ['is an array, and is settled with the reason', '[{"a":1},\n{"a":2}]\n', 'settled', 2],
  ['holds no lines, and is done with without any', 'PAR1\u0015\u0004', 'damaged', 0],
])('an object that %s', async (_, content, status, lineCount) => {
  const state = await openState();
  const { exporter, shipped } = countingExporter();
  const object = memoryObject(content);
  const shipper = shipperOn(state, exporter, never, 100);
  expect(await shipper.ship(object, never)).toMatchObject({ status, error: { code: 'ERR_OBJECT_FORMAT' } });
  expect(shipped.reduce((sum, count) => sum + count, 0)).toBe(lineCount);
  expect(await shipper.ship(object, never)).toEqual({ status: 'unchanged' });
  await state.close();
});

describe('lines with an identity of their own', () => {
  const [first, second, third] = ['a', 'b', 'c'].map((id) => (value: number) => `{"id":"${id}","value":${value}}\n`);
  assert(first !== undefined && second !== undefined && third !== undefined);

  it('are one line if the object contains the identity twice', async () => {
    const state = await openState();
    const { exporter, uids } = uidExporter();
    const shipper = shipperOn(state, exporter, never, 100);
    await shipper.ship(eventObject(first(1) + second(1) + second(2)), never);
    await shipper.ship(eventObject(first(1) + second(1) + second(2) + third(1)), never);
    await shipper.ship(eventObject(first(1) + first(2) + second(1) + second(2) + third(1)), never);
    expect(uids).toEqual(['a', 'b', 'c'].map(uidFor));
    await state.close();
  });

  it('stay settled when their other columns change, and new ones among them are found', async () => {
    const state = await openState();
    const { exporter, uids } = uidExporter();
    const shipper = shipperOn(state, exporter, never, 100);
    await shipper.ship(eventObject(first(1) + third(1)), never);
    await shipper.ship(eventObject(first(2) + second(2) + third(2)), never);
    expect(uids).toEqual(['a', 'c', 'b'].map(uidFor));
    await state.close();
  });

  it('are recognised after the lookback window, also if an identity came twice', async () => {
    const state = await openState();
    const { exporter, uids } = uidExporter();
    const shipper = shipperOn(state, exporter, never, 100);
    await shipper.ship(eventObject(first(1) + first(2) + second(1)), never);
    state.dropLineHashes('2026-02-07');
    await shipper.ship(eventObject(first(1) + first(2) + second(1) + third(1) + second(2)), never);
    expect(uids).toEqual(['a', 'b', 'c'].map(uidFor));
    await state.close();
  });

  it('are counted once by a comparison', async () => {
    const directory = temporaryDirectory();
    const state = await openState(directory);
    const object = eventObject(first(1) + second(1) + second(2));
    await shipperOn(state, uidExporter().exporter, never, 100).ship(object, never);
    const reader = await openDeliveryReader(directory);
    assert(reader !== undefined);
    const comparison = await compareObject(object, { state: reader, decoder: createDecoder() }, never);
    expect(comparison).toMatchObject({ lineCount: 2, settledCount: 2, missingCount: 0, goneCount: 0 });
    await reader.close();
    await state.close();
  });
});

it('settles the version that was read, if the source cannot open the listed one', async () => {
  const state = await openState();
  const { exporter, shipped } = countingExporter();
  const shipper = shipperOn(state, exporter, never, 100);
  const listed = memoryObject('{"a":1}\n');
  const read = memoryObject('{"a":1}\n{"a":2}\n');
  const open = async (signal: AbortSignal) => ({
    [Symbol.asyncIterator]: async function* () {
      yield* await read.open(signal);
    },
    readVersion: () => read.version,
  });
  await shipper.ship({ ...listed, open }, never);
  expect(await shipper.ship(read, never)).toEqual({ status: 'unchanged' });
  expect(await shipper.ship({ ...listed, open }, never)).toEqual({ status: 'settled' });
  expect(shipped).toEqual([2]);
  await state.close();
});

/** Identifies a line by its `id`, as the system table's rows are by `event_id`. */
function eventObject(content: string, options: MemoryObjectOptions = {}): DeliveredObject {
  const object = memoryObject(content, options);
  return {
    ...object,
    open: async (signal) => ({
      [Symbol.asyncIterator]: async function* () {
        yield* await object.open(signal);
      },
      identityOf: (line) => /"id":"(\w+)"/.exec(Buffer.from(line).toString())?.[1],
    }),
  };
}

function uidFor(id: string): string {
  return plainUid({ digest: hash('sha256', id), occurrence: 1 });
}

/** Collects the uids of what it accepts. */
function uidExporter(): { readonly exporter: Exporter; readonly uids: string[] } {
  const uids: string[] = [];
  const exporter: Exporter = {
    async export(batch) {
      uids.push(...plainRecordsOf(batch).map(({ uid }) => uid));
      return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
    },
    async close() {},
  };
  return { exporter, uids };
}
