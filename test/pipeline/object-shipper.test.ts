import { hash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Batch } from '../../src/contracts/exporter.ts';
import { openDeliveryReader, openDeliveryState } from '../../src/delivery/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { countingExporter } from '../support/counting-exporter.ts';
import { shipperOn } from '../support/lives.ts';
import { memoryObject } from '../support/memory-object.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never = new AbortController().signal;

it('an object whose date leaves the lookback window while it is read yields only the added lines', async () => {
  const state = await openDeliveryState({ directory: temporaryDirectory(), clock: systemClock, logger: silentLogger });
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
  const state = await openDeliveryState({ directory: temporaryDirectory(), clock: systemClock, logger: silentLogger });
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
  const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
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
  const state = await openDeliveryState({ directory: temporaryDirectory(), clock: systemClock, logger: silentLogger });
  const { exporter, shipped } = countingExporter();
  const object = memoryObject(content);
  const shipper = shipperOn(state, exporter, never, 100);
  expect(await shipper.ship(object, never)).toMatchObject({ status, error: { code: 'ERR_OBJECT_FORMAT' } });
  expect(shipped.reduce((sum, count) => sum + count, 0)).toBe(lineCount);
  expect(await shipper.ship(object, never)).toEqual({ status: 'unchanged' });
  await state.close();
});
