import { readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DeliveryReader } from '../../src/contracts/delivery-reader.ts';
import type { Claim } from '../../src/contracts/delivery-state.ts';
import type { OpenState } from '../../src/contracts/open-state.ts';
import { openDeliveryReader, openDeliveryState } from '../../src/delivery/index.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import type { StateLocation } from '../../src/model/state-location.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { openSharedReader } from '../../src/sharing/index.ts';
import { copyState } from '../../src/tools/state-copy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';
import { ModelStore, StoredItems } from '../support/model-store.ts';
import { openSharedStateHere } from '../support/shared-state-here.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never = new AbortController().signal;
const first = memoryObject('{}\n');
const second = { ...first, origin: { ...first.origin, id: 's3://audit/second' as ObjectId, date: undefined } };
const old = { ...first, origin: { ...first.origin, id: 's3://audit/old' as ObjectId, date: '2025-01-01' } };
const objects = [first, second, old];
const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32).fill(7) };
const fault = { status: 'damaged', code: 'ERR_OBJECT_DAMAGED', message: 'cut off' } as const;
const shared: StateLocation = { kind: 'dynamodb', table: 'audit-state' };
const configuration = { sources: [], lookbackDays: 3 };

/** Settled, announced, unfinished, without line hashes, and silent. */
async function fill(state: OpenState): Promise<void> {
  for (const object of objects) {
    await visit(state, object, async (claim) => {
      const counts = { acceptedCount: 2, deadLetteredCount: 1, unparsedCount: 1, newestEventMs: 1000 };
      const observedRuns = [
        { observedAtMs: 5, lineCount: 2 },
        { observedAtMs: 6, lineCount: 1 },
      ];
      const lineHashes = Int32Array.of(1, -1, 2, -2, 1, -1);
      claim.settle({ announcementId: undefined, position, lineHashes, observedRuns, ...counts });
      claim.announce({ observedAtMs: 7, lineHashes: Int32Array.of(5, 6), occurrences: Int32Array.of(2) });
      if (object === first)
        claim.announce({ observedAtMs: 8, lineHashes: Int32Array.of(7, 8), occurrences: Int32Array.of(1) });
      if (object === old) claim.finish(object.version, position, [], fault);
      await claim.flush(never);
    });
  }
  await state.beginSilence('1', 1000, 60, never);
  state.dropLineHashes('2025-06-01');
  await visit(state, second, (claim) => claim.flush(never));
}

async function visit(state: OpenState, object: DeliveredObject, work: (claim: Claim) => Promise<void>): Promise<void> {
  const claim = await state.claim(object, never);
  if (typeof claim === 'string') throw new Error(claim);
  await work(claim);
  await claim.release();
}

async function contentOf(reader: DeliveryReader | undefined) {
  if (reader === undefined) throw new Error('there is no state');
  const { hashSecret, createdOn } = reader;
  const records = [];
  for (const { origin } of objects) {
    records.push(await reader.read(origin.id));
  }
  await reader.close();
  return { hashSecret: [...hashSecret], createdOn, records };
}

test('a state keeps all of its content on the way into a shared store and back', async () => {
  const [from, back, items] = [temporaryDirectory(), join(temporaryDirectory(), 'back'), new StoredItems()];
  const open = async () => new ModelStore(items);
  const state = await openDeliveryState({ directory: from, clock: systemClock, logger: silentLogger });
  await fill(state);
  await state.close();
  const before = await contentOf(await openDeliveryReader(from));
  expect(before.records.map((record) => record.state?.hasLineHashes)).toEqual([true, true, false]);
  expect(before.records.map((record) => record.state?.settledFault)).toEqual([undefined, undefined, fault]);

  const sqlite: StateLocation = { kind: 'directory', path: from };
  expect(await copyState({ ...configuration, state: sqlite }, shared, never, { open })).toBe(3);
  const reader = await openSharedReader({ store: await open(), clock: systemClock, logger: silentLogger });
  expect(JSON.stringify(await contentOf(reader))).toBe(JSON.stringify(before));

  const target: StateLocation = { kind: 'directory', path: back };
  expect(await copyState({ ...configuration, state: shared }, target, never, { open })).toBe(3);
  expect(JSON.stringify(await contentOf(await openDeliveryReader(back)))).toBe(JSON.stringify(before));
  const reopened = await openDeliveryState({ directory: back, clock: systemClock, logger: silentLogger });
  expect(await reopened.unsettled(objects)).toEqual([first, second]);
  expect([...(await reopened.settledFaults(objects))]).toEqual([[old.origin.id, fault]]);
  const silence = { sinceMs: 1000, thresholdMs: 60, isReported: false, endedByMs: undefined };
  expect(await reopened.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence }]);
  await reopened.close();
});

test('an object that was reopened and not visited since is compared from its start after the copy, too', async () => {
  const items = new StoredItems();
  const { state: replica } = await openSharedStateHere(items);
  await visit(replica, first, async (claim) => {
    const counts = { acceptedCount: 1, deadLetteredCount: 0 };
    const observedRuns = [{ observedAtMs: 5, lineCount: 1 }];
    claim.settle({ announcementId: undefined, position, lineHashes: Int32Array.of(1, -1), observedRuns, ...counts });
    claim.finish(first.version, position, []);
    await claim.flush(never);
  });
  await replica.reopen(first, never);
  await replica.close();
  const target = join(temporaryDirectory(), 'copy');
  const open = async () => new ModelStore(items);
  await copyState({ ...configuration, state: shared }, { kind: 'directory', path: target }, never, { open });
  const state = await openDeliveryState({ directory: target, clock: systemClock, logger: silentLogger });
  await visit(state, first, async ({ known }) => {
    expect(known?.settled.offsetBytes).toBe(0);
  });
  await state.close();
});

test('a state that is in use already is not written to', async () => {
  const [from, target, items] = [temporaryDirectory(), temporaryDirectory(), new StoredItems()];
  for (const directory of [from, target]) {
    const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
    await state.close();
  }
  const state: StateLocation = { kind: 'directory', path: from };
  const open = async () => new ModelStore(items);
  const into: StateLocation = { kind: 'directory', path: target };
  const filesBefore = readdirSync(target);
  await expect(copyState({ ...configuration, state }, into, never)).rejects.toMatchObject({ code: 'ERR_STATE_EXISTS' });
  expect(readdirSync(target)).toEqual(filesBefore);
  await copyState({ ...configuration, state }, shared, never, { open });
  const registersBefore = items.registers.size;
  const again = copyState({ ...configuration, state }, shared, never, { open });
  await expect(again).rejects.toMatchObject({ code: 'ERR_STATE_EXISTS' });
  expect(items.registers.size).toBe(registersBefore);
});

/** A state in a directory with the three objects, and how to stop its copy after the first of them. */
async function interruptedCopy(items: StoredItems) {
  const from = temporaryDirectory();
  const state = await openDeliveryState({ directory: from, clock: systemClock, logger: silentLogger });
  await fill(state);
  await state.close();
  const sqlite: StateLocation = { kind: 'directory', path: from };
  const open = async () => new ModelStore(items);
  const stop = new AbortController();
  const copying = copyState({ ...configuration, state: sqlite }, shared, stop.signal, {
    open,
    onObject: () => stop.abort(new Error('stopped')),
  });
  await expect(copying).rejects.toThrow('stopped');
  return { from, sqlite, open };
}

test('a copy that was interrupted is used by nobody, and is completed by the same copy', async () => {
  const items = new StoredItems();
  const { from, sqlite, open } = await interruptedCopy(items);
  const before = JSON.stringify([...items.registers, ...items.batchItems]);
  const refusal = { code: 'ERR_STATE_INCOMPLETE', hint: expect.stringContaining('state copy') };
  const reader = async () => openSharedReader({ store: await open(), clock: systemClock, logger: silentLogger });
  await expect(openSharedStateHere(items)).rejects.toMatchObject(refusal);
  await expect(reader()).rejects.toMatchObject(refusal);
  const onwards: StateLocation = { kind: 'directory', path: join(temporaryDirectory(), 'onwards') };
  const copyingOn = copyState({ ...configuration, state: shared }, onwards, never, { open });
  await expect(copyingOn).rejects.toMatchObject(refusal);
  expect(JSON.stringify([...items.registers, ...items.batchItems])).toBe(before);

  expect(await copyState({ ...configuration, state: sqlite }, shared, never, { open })).toBe(3);
  const original = await contentOf(await openDeliveryReader(from));
  expect(JSON.stringify(await contentOf(await reader()))).toBe(JSON.stringify(original));
  const replica = await openSharedStateHere(items);
  expect(replica.state.hashSecret).toEqual(Uint8Array.from(original.hashSecret));
  await replica.state.close();
});

test('a copy that was interrupted is not completed by the copy of another state', async () => {
  const items = new StoredItems();
  const { open } = await interruptedCopy(items);
  const directory = temporaryDirectory();
  const another = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  await another.close();
  const state: StateLocation = { kind: 'directory', path: directory };
  const copying = copyState({ ...configuration, state }, shared, never, { open });
  await expect(copying).rejects.toMatchObject({ code: 'ERR_STATE_EXISTS' });
});

test('a state is not copied into itself, however its place is written', async () => {
  const directory = temporaryDirectory();
  const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  await state.close();
  const link = join(temporaryDirectory(), 'link');
  symlinkSync(directory, link);
  const open = async () => new ModelStore();
  const pairs: readonly (readonly [StateLocation, StateLocation])[] = [
    [shared, { ...shared }],
    ...[directory, `${directory}/.`, link].map(
      (path) =>
        [
          { kind: 'directory', path: directory },
          { kind: 'directory', path },
        ] as const,
    ),
  ];
  for (const [from, to] of pairs) {
    const copying = copyState({ ...configuration, state: from }, to, never, { open });
    await expect(copying).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      message: expect.stringContaining('expected another state than that of DATABRICKS_AUDIT_STATE'),
    });
  }
});

test('there has to be a state to copy', async () => {
  const empty: StateLocation = { kind: 'directory', path: temporaryDirectory() };
  const open = async () => new ModelStore();
  const target: StateLocation = { kind: 'dynamodb', table: 'another-state' };
  for (const state of [empty, shared]) {
    const copying = copyState({ ...configuration, state }, target, never, { open });
    await expect(copying).rejects.toMatchObject({ code: 'ERR_STATE_NOT_FOUND' });
  }
});

test('a state that an agent or a replica is using is not copied', async () => {
  const directory = temporaryDirectory();
  const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  const from: StateLocation = { kind: 'directory', path: directory };
  const locked = copyState({ ...configuration, state: from }, shared, never);
  await expect(locked).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
  await state.close();

  const [items, clock] = [new StoredItems(), new ManualClock('2026-01-31T12:00:00Z')];
  const replica = await openSharedStateHere(items, { clock });
  const open = async () => new ModelStore(items);
  const target: StateLocation = { kind: 'directory', path: join(temporaryDirectory(), 'copy') };
  const copying = copyState({ ...configuration, state: shared }, target, never, { open, clock });
  copying.catch(() => {});
  for (let interval = 0; interval < 6; interval++) await clock.advance(10_000);
  await expect(copying).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
  await replica.state.close();
  expect(await copyState({ ...configuration, state: shared }, target, never, { open, clock })).toBe(0);
});
