import { expect, onTestFinished, test } from 'vitest';
import type { Announcement, Claim, LineHashes, Settlement } from '../../src/contracts/delivery-state.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import type { OpenState } from '../../src/contracts/open-state.ts';
import type { SourceIdentity } from '../../src/contracts/source.ts';
import { AgentError, isAgentError } from '../../src/model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { openSharedReader, openSharedState, type SharedStateOptions } from '../../src/sharing/index.ts';
import { objectKey } from '../../src/sharing/object-register.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';
import { StoredItems } from '../support/model-store.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

const never = new AbortController().signal;
const object = memoryObject('{}\n');
const rewritten = memoryObject('{}\n{}\n');
const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32).fill(7) };
const lookIntervalMs = 10_000;
const here = { host: 'here', version: '1.0.0', fingerprint: 'same' };

interface Replica {
  readonly state: OpenState;
  readonly store: ScriptedStore;
  readonly clock: ManualClock;
  readonly events: AgentEvent[];
}

async function replica(
  items: StoredItems,
  { now = '2026-01-31T12:00:00Z', ...options }: Partial<SharedStateOptions> & { readonly now?: string } = {},
): Promise<Replica> {
  const [store, clock, events] = [new ScriptedStore(items), new ManualClock(now), [] as AgentEvent[]];
  const state = await openSharedState({
    store,
    sources: [{ name: 's3://audit' }],
    lookbackDays: 3,
    replica: here,
    clock,
    logger: silentLogger,
    observe: (event) => events.push(event),
    stopping: never,
    ...options,
  });
  onTestFinished(async () => {
    store.fault = () => undefined;
    await state.close();
  });
  return { state, store, clock, events };
}

function announcement(observedAtMs: number, lineHashes: readonly number[]): Announcement {
  const occurrences = new Int32Array(lineHashes.length / 2).fill(1);
  return { observedAtMs, lineHashes: Int32Array.from(lineHashes), occurrences };
}

function settlement(lineHashes: readonly number[], more: Partial<Settlement> = {}): Settlement {
  const lineCount = (more.lineHashes ?? lineHashes).length / 2;
  const counts = { acceptedCount: lineHashes.length / 2, deadLetteredCount: 0 };
  const observedRuns = [{ observedAtMs: 1, lineCount }];
  return {
    announcementId: undefined,
    position,
    lineHashes: Int32Array.from(lineHashes),
    observedRuns,
    ...counts,
    ...more,
  };
}

async function claimed({ state }: Replica, of: DeliveredObject = object): Promise<Claim> {
  const claim = await state.claim(of, never);
  if (typeof claim === 'string') throw new Error(claim);
  return claim;
}

/** Visits the object, which has no lines, and settles its version. */
async function settle(replica: Replica): Promise<void> {
  const claim = await claimed(replica);
  claim.finish(object.version, position, []);
  await claim.flush(never);
  await claim.release();
}

async function hashesOf(claim: Claim): Promise<readonly (readonly number[])[]> {
  const hashes: LineHashes[] = [];
  for await (const each of claim.settledLineHashes()) hashes.push(each);
  return hashes.map((each) => [...each]);
}

/** Both go through so many intervals; a replica that is left out is stopped. */
async function passIntervals(count: number, ...replicas: readonly Replica[]): Promise<void> {
  for (let interval = 0; interval < count; interval++)
    for (const { clock } of replicas) await clock.advance(lookIntervalMs);
}

const leaseIntervals = 3;

test('an object that a living replica holds is elsewhere, for as long as it likes', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  await claimed(one);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  await passIntervals(20, one, other);
  expect(await other.state.claim(rewritten, never)).toBe('elsewhere');
});

test('an object whose owner has given no sign of life for 30 seconds is taken over, and its late writes have no effect', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const before = await claimed(one);
  const first = before.announce(announcement(5, [1, 2]));
  await before.flush(never);
  await passIntervals(leaseIntervals - 1, other);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  await passIntervals(1, other);
  const after = await claimed(other);
  expect(after.announcements).toEqual([announcement(5, [1, 2])]);
  expect(other.events).toContainEqual({ kind: 'claimTakenOver' });
  before.settle(settlement([1, 2], { announcementId: first }));
  await expect(before.flush(never)).rejects.toThrow('the claim is lost');
  expect(before.lost.aborted).toBe(true);
  expect(one.events).toContainEqual({ kind: 'claimLost' });
  await after.release();
  const third = await claimed(other, rewritten);
  expect(await hashesOf(third)).toEqual([]);
  expect(third.announcements).toEqual([announcement(5, [1, 2])]);
});

test('an observer that was stopped itself, or whose clock jumps, does not take the others for dead', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items, { now: '2020-01-01T00:00:00Z' })];
  await claimed(one);
  await other.clock.advance(86_400_000);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
});

test('a replica that was first seen between two looks gets the whole lease', async () => {
  const items = new StoredItems();
  const other = await replica(items);
  const one = await replica(items);
  await claimed(one);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  await passIntervals(leaseIntervals, other);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  await passIntervals(1, other);
  expect(await other.state.claim(object, never)).toBeTypeOf('object');
});

test('a look that fails starts all waiting anew, so an outage of the store kills nobody', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  await claimed(one);
  await passIntervals(leaseIntervals - 1, other);
  other.store.fault = (method) => (method === 'registers' ? 'before' : undefined);
  await passIntervals(1, other);
  other.store.fault = () => undefined;
  await passIntervals(leaseIntervals - 1, other);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  await passIntervals(1, other);
  expect(await other.state.claim(object, never)).toBeTypeOf('object');
});

test('a replica that stops releases its claims and its leads at once', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  await claimed(one);
  expect(await one.state.lead('sweep')).toBeDefined();
  expect(await other.state.lead('sweep')).toBeUndefined();
  await one.state.close();
  expect(await other.state.claim(object, never)).toBeTypeOf('object');
  expect(await other.state.lead('sweep')).toBeDefined();
});

test('a lead is lost when another replica has taken it over', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const lead = await one.state.lead('silence');
  await passIntervals(leaseIntervals, other);
  expect(await other.state.lead('silence')).toBeDefined();
  expect(lead?.lost.aborted).toBe(false);
  await passIntervals(1, one);
  expect(lead?.lost.aborted).toBe(true);
});

test('two callers that ask for the same lead at the same time both get it', async () => {
  const one = await replica(new StoredItems());
  const leads = await Promise.all([one.state.lead('sweep'), one.state.lead('sweep')]);
  expect(leads).toEqual([expect.anything(), expect.anything()]);
  expect(one.store.calls.filter((call) => call.endsWith('leads'))).toEqual(['read leads', 'compareAndSet leads']);
});

test('batches are put before they are admitted, and settling writes nothing but the register', async () => {
  const one = await replica(new StoredItems());
  const claim = await claimed(one);
  one.store.calls.length = 0;
  const first = claim.announce(announcement(5, [1, 2]));
  await claim.flush(never);
  claim.settle(settlement([1, 2], { announcementId: first }));
  await claim.flush(never);
  expect(one.store.calls.map((call) => call.split(' ')[0])).toEqual(['putBatchItem', 'compareAndSet', 'compareAndSet']);
});

test('a settlement and the next announcement share one write', async () => {
  const one = await replica(new StoredItems());
  const claim = await claimed(one);
  const first = claim.announce(announcement(5, [1, 2]));
  await claim.flush(never);
  one.store.calls.length = 0;
  claim.settle(settlement([1, 2], { announcementId: first }));
  claim.announce(announcement(5, [3, 4]));
  await claim.flush(never);
  expect(one.store.calls.filter((call) => call.startsWith('compareAndSet'))).toHaveLength(1);
});

test('a settlement that nothing follows is written soon', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  claim.settle(settlement([1, 2]));
  await one.clock.advance(10);
  one.store.fault = () => 'before';
  const reader = await openSharedReader({ store: new ScriptedStore(items), clock: one.clock, logger: silentLogger });
  expect(await reader?.read(object.origin.id)).toMatchObject({ acceptedCount: 1, state: { settled: position } });
});

test('the summary says when each replica last gave a sign of life', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items, { replica: { ...here, host: 'there' } })];
  await claimed(other);
  await passIntervals(3, one);
  const reader = await openSharedReader({ store: new ScriptedStore(items), clock: one.clock, logger: silentLogger });
  const heardOf = (await reader?.summarise())?.replicas?.map(({ host, startedAtMs, raisedAtMs, objectIds }) => {
    return { host, afterMs: raisedAtMs - startedAtMs, objectIds };
  });
  expect(heardOf).toHaveLength(2);
  expect(heardOf).toContainEqual({ host: 'here', afterMs: 3 * lookIntervalMs, objectIds: [] });
  expect(heardOf).toContainEqual({ host: 'there', afterMs: 0, objectIds: [object.origin.id] });
});

test.each(['after', 'repeated'] as const)(
  'a write whose answer is lost (%s) is not taken for a lost claim',
  async (fault) => {
    const one = await replica(new StoredItems());
    const claim = await claimed(one);
    let faults = 3;
    one.store.fault = (method) => (method !== 'read' && faults-- > 0 ? fault : undefined);
    const first = claim.announce(announcement(5, [1, 2]));
    const flushing = claim.flush(never);
    for (let attempt = 0; attempt < 6; attempt++) await one.clock.advance(15_000);
    await flushing;
    claim.settle(settlement([1, 2], { announcementId: first }));
    claim.finish(object.version, position, []);
    await claim.flush(never);
    expect(claim.lost.aborted).toBe(false);
    await claim.release();
    const again = await claimed(one, rewritten);
    expect(again.known?.settledVersion).toEqual(object.version);
    expect(await hashesOf(again)).toEqual([[1, 2]]);
  },
);

test('shipping waits for the state while the store is away, and tells so', async () => {
  const one = await replica(new StoredItems());
  const claim = await claimed(one);
  one.store.fault = () => 'before';
  claim.announce(announcement(5, [1, 2]));
  let isDurable = false;
  const flushing = claim.flush(never).then(() => {
    isDurable = true;
  });
  for (let minute = 0; minute < 4; minute++) await one.clock.advance(15_000);
  expect(isDurable).toBe(false);
  expect(one.events).toContainEqual(expect.objectContaining({ kind: 'waiting', for: 'state' }));
  one.store.fault = () => undefined;
  await one.clock.advance(15_000);
  await flushing;
  expect(one.events).toContainEqual({ kind: 'resumed', for: 'state' });
});

test('a claim whose write took effect after it was given up is claimed again by the same replica', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  one.store.fault = (method) => (method === 'compareAndSet' ? 'after' : undefined);
  const stop = new AbortController();
  const claiming = one.state.claim(object, stop.signal);
  await settled();
  stop.abort(new Error('given up'));
  await expect(claiming).rejects.toThrow('given up');
  one.store.fault = () => undefined;
  expect(await one.state.claim(object, never)).toBeTypeOf('object');
});

test.each(['batchItems', 'compareAndSet'] as const)(
  'a claim that is given up before it is granted (during %s) is released, so others need not take it over',
  async (during) => {
    const items = new StoredItems();
    const [one, other] = [await replica(items), await replica(items)];
    const before = await claimed(one);
    before.settle(settlement([1, 1]));
    await before.flush(never);
    await before.release();
    one.store.fault = (method) => (method === during ? 'after' : undefined);
    const stop = new AbortController();
    const claiming = one.state.claim(object, stop.signal);
    claiming.catch(() => {});
    await settled();
    expect(await other.state.claim(object, never)).toBe('elsewhere');
    one.store.fault = () => undefined;
    stop.abort(new Error('given up'));
    await expect(claiming).rejects.toThrow('given up');
    expect(await other.state.claim(object, never)).toBeTypeOf('object');
    expect(other.events).not.toContainEqual({ kind: 'claimTakenOver' });
  },
);

test('before an attempt to send, a replica that was stopped for longer than the lease asks whether it still holds the object', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const claim = await claimed(one);
  one.store.calls.length = 0;
  await claim.confirm?.(never);
  expect(one.store.calls).toEqual([]);
  await passIntervals(leaseIntervals, other);
  await claimed(other);
  one.store.fault = (method) => (method === 'compareAndSet' || method === 'registers' ? 'before' : undefined);
  await one.clock.advance(40_000);
  await expect(claim.confirm?.(never)).rejects.toThrow('the claim is lost');
});

test('a part of the line hashes is never taken for all of them', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  for (const line of [1, 2, 3]) claim.settle(settlement([line, line]));
  claim.finish(object.version, position, []);
  await claim.flush(never);
  await claim.release();
  let count = 0;
  items.expire(Date.parse('2027-01-01'), () => count++ === 1);
  const again = await claimed(one, rewritten);
  expect(again.known).toMatchObject({ settled: position, hasLineHashes: false });
  expect(await hashesOf(again)).toEqual([]);
});

test('settled lines are read when they are asked for, and a claim keeps none of them', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  for (const line of [1, 2, 3]) claim.settle(settlement([line, line]));
  await claim.flush(never);
  await claim.release();
  const again = await claimed(one);
  for (let reading = 0; reading < 2; reading++) {
    one.store.calls.length = 0;
    expect(await hashesOf(again)).toEqual([1, 2, 3].map((line) => [line, line]));
    expect(one.store.calls).toEqual([`batchItems ${objectKey(object.origin.id).partition}`]);
  }
});

test('settled lines that expire between claim and reading are missed, and the next visit does without', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  for (const line of [1, 2, 3]) claim.settle(settlement([line, line]));
  claim.finish(object.version, position, []);
  await claim.flush(never);
  await claim.release();
  const again = await claimed(one, rewritten);
  expect(again.known?.hasLineHashes).toBe(true);
  let count = 0;
  items.expire(Date.parse('2027-01-01'), () => count++ === 1);
  await expect(hashesOf(again)).rejects.toThrow(`Line hashes of ${object.origin.id} expired`);
  await again.release();
  const third = await claimed(one, rewritten);
  expect(third.known).toMatchObject({ settled: position, hasLineHashes: false });
  expect(await hashesOf(third)).toEqual([]);
});

test('reading settled lines ends when the visit is stopped, although the store is away', async () => {
  const one = await replica(new StoredItems());
  const claim = await claimed(one);
  claim.settle(settlement([1, 1]));
  await claim.flush(never);
  await claim.release();
  const stop = new AbortController();
  const again = await one.state.claim(object, stop.signal);
  if (typeof again === 'string') throw new Error(again);
  one.store.fault = () => 'before';
  const reading = hashesOf(again);
  await settled();
  stop.abort(new Error('stopping'));
  await expect(reading).rejects.toThrow('stopping');
});

test('once a visit had to do without line hashes, those that are left count for nobody', async () => {
  const items = new StoredItems();
  const [ahead, behind] = [await replica(items), await replica(items)];
  const claim = await claimed(ahead);
  claim.settle(settlement([1, 1]));
  claim.finish(object.version, position, []);
  await claim.flush(never);
  await claim.release();
  ahead.state.dropLineHashes('2026-02-05');
  const withoutHashes = await claimed(ahead, rewritten);
  expect(withoutHashes.known?.hasLineHashes).toBe(false);
  withoutHashes.settle(settlement([1, 1]));
  await withoutHashes.flush(never);
  await withoutHashes.release();
  const seen = await claimed(behind, rewritten);
  expect(seen.known?.hasLineHashes).toBe(false);
});

test('line hashes of many visits are merged, and none is lost or doubled', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  for (let visit = 1; visit <= 70; visit++) {
    const claim = await claimed(one, memoryObject('{}\n'.repeat(visit)));
    const lines = (await hashesOf(claim)).flat().filter((word) => word > 0);
    expect(
      lines.sort((left, right) => left - right),
      `visit ${visit}`,
    ).toEqual(Array.from({ length: visit - 1 }, (_, index) => index + 1));
    const id = claim.announce(announcement(visit, [visit, -1]));
    claim.settle(settlement([visit, -1], { announcementId: id }));
    claim.announce(announcement(visit, [-5, visit]));
    await claim.flush(never);
    await claim.release();
  }
  const last = await claimed(one, rewritten);
  expect(last.announcements).toHaveLength(70);
  const register = [...items.registers.values()].find(({ key }) => key.partition.startsWith('o#'));
  expect(JSON.parse(register?.value ?? '{}').merged).toBeDefined();
});

test('batches of more lines than fit into one item take several', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  const lineHashes = Int32Array.from({ length: 2 * 100_000 }, (_, index) => index);
  const occurrences = Int32Array.from({ length: 100_000 }, (_, index) => (index % 3) + 1);
  const first = claim.announce({ observedAtMs: 5, lineHashes, occurrences });
  const second = claim.announce(announcement(6, [7, 7]));
  await claim.flush(never);
  expect(Math.max(...[...items.batchItems.values()].map(({ content }) => content.length))).toBeLessThanOrEqual(262_144);
  claim.settle(settlement([], { announcementId: first, lineHashes }));
  await claim.flush(never);
  await claim.release();
  const again = await claimed(one);
  expect((await hashesOf(again)).flat().join() === lineHashes.join()).toBe(true);
  expect(again.announcements).toEqual([announcement(6, [7, 7])]);
  expect(second).not.toBe(first);
});

test('lines that were announced before, and so were not announced again, are settled with their batch', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  const announced = claim.announce(announcement(5, [1, 1]));
  claim.settle(settlement([1, 1, 2, 2, 1, 1], { announcementId: announced }));
  claim.settle(settlement([3, 3]));
  await claim.flush(never);
  await claim.release();
  const again = await claimed(one);
  expect((await hashesOf(again)).flat().sort()).toEqual([1, 1, 1, 1, 2, 2, 3, 3]);
});

test('what was put and never admitted does not count', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const claim = await claimed(one);
  one.store.fault = (method) => (method === 'compareAndSet' ? 'before' : undefined);
  claim.announce(announcement(5, [1, 1]));
  claim.flush(never).catch(() => {});
  await settled();
  expect(items.batchItems.size).toBe(1);
  await passIntervals(leaseIntervals, other);
  expect((await claimed(other)).announcements).toEqual([]);
});

test('an object whose owners die one after the other waits from the third takeover on, while others go on', async () => {
  const items = new StoredItems();
  const elsewhere = { ...object, origin: { ...object.origin, id: 's3://audit/other' as ObjectId } };
  const watcher = await replica(items);
  for (let death = 1; death <= 3; death++) {
    const one = await replica(items);
    await passIntervals(leaseIntervals, watcher, one);
    await claimed(one);
    await passIntervals(leaseIntervals + 1, watcher); // Its counter was raised after the last look.
  }
  const failure = await watcher.state.claim(object, never).catch((error: unknown) => error);
  expect(isAgentError(failure, 'ERR_OBJECT_CRASHES')).toBe(true);
  expect(String(failure)).toContain(object.origin.id);
  expect(await watcher.state.claim(elsewhere, never)).toBeTypeOf('object');
  await passIntervals(5, watcher);
  expect(isAgentError(await watcher.state.claim(object, never).catch((error: unknown) => error))).toBe(true);
  await passIntervals(2, watcher);
  expect(await watcher.state.claim(object, never)).toBeTypeOf('object');
});

test('a replica whose counter was removed ends with an error', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  for (const name of items.registers.keys()) if (name.startsWith('replicas')) items.registers.delete(name);
  await passIntervals(1, one);
  await expect(one.state.unsettled([object])).rejects.toMatchObject({ code: 'ERR_REPLICA_REMOVED' });
  await expect(one.state.claim(object, never)).rejects.toMatchObject({ code: 'ERR_REPLICA_REMOVED' });
});

test('the counter of a process that was not heard of for an hour is removed', async () => {
  const items = new StoredItems();
  const [, other] = [await replica(items), await replica(items)];
  await passIntervals(362, other);
  expect([...items.registers.keys()].filter((name) => name.startsWith('replicas'))).toHaveLength(1);
});

test('an item of a replica that cannot be read is logged with a hint, and the dead are noticed all the same', async () => {
  const items = new StoredItems();
  const [log, note] = [[] as object[], (fields: object) => void log.push(fields)];
  const logger = { ...silentLogger, error: note };
  const [one, other] = [await replica(items), await replica(items, { logger })];
  await claimed(one);
  const key = { partition: 'replicas', sort: 'foreign' };
  items.registers.set('replicas\0foreign', { key, revision: 'r', value: '{"format":1}' });
  await passIntervals(leaseIntervals + 1, other);
  expect(await other.state.claim(object, never)).toBeTypeOf('object');
  expect(log).toEqual([
    { err: expect.objectContaining({ code: 'ERR_STATE_FORMAT', hint: expect.stringContaining('only the agent') }) },
  ]);
});

test('replicas that cannot be looked at are logged, and none of them is taken for dead', async () => {
  const items = new StoredItems();
  const [log, note] = [[] as object[], (fields: object) => void log.push(fields)];
  const [one, other] = [await replica(items), await replica(items, { logger: { ...silentLogger, error: note } })];
  await claimed(one);
  other.store.registers = () => {
    throw new AgentError('ERR_STATE_NOT_FOUND', 'There is no such table');
  };
  await passIntervals(leaseIntervals + 1, other);
  expect(await other.state.claim(object, never)).toBe('elsewhere');
  expect(log).toEqual([{ err: expect.objectContaining({ code: 'ERR_STATE_NOT_FOUND' }) }]);
});

test('an object that was reopened is visited by others if the process that reopened it dies before', async () => {
  const items = new StoredItems();
  const other = await replica(items);
  await settle(other);
  expect(await other.state.unsettled([object])).toEqual([]);
  const repairing = await replica(items);
  await passIntervals(1, repairing, other);
  await repairing.state.reopen(object, never);
  await passIntervals(1, repairing, other); // Each of them raises its counter as before.
  expect(await other.state.unsettled([object])).toEqual([]);
  await passIntervals(leaseIntervals + 1, other);
  expect(await other.state.unsettled([object])).toEqual([object]);
});

test('an object that was reopened is visited by others once the process that reopened it has left', async () => {
  const items = new StoredItems();
  const other = await replica(items);
  await settle(other);
  expect(await other.state.unsettled([object])).toEqual([]);
  const repairing = await replica(items);
  await repairing.state.reopen(object, never);
  await passIntervals(1, other);
  await repairing.state.close();
  await passIntervals(1, other);
  expect(await other.state.unsettled([object])).toEqual([object]);
});

test('a replica tells what it leads, until another one has taken it over', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const leads = ({ events }: Replica) => events.findLast((event) => event.kind === 'replicasSeen')?.leads;
  await one.state.lead('silence');
  await passIntervals(1, one, other);
  expect([leads(one), leads(other)]).toEqual([['silence'], []]);
  await passIntervals(leaseIntervals + 1, other);
  await other.state.lead('silence');
  await passIntervals(2, one, other);
  expect([leads(one), leads(other)]).toEqual([[], ['silence']]);
});

test('an object that a newer version wrote is left alone', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const claim = await claimed(one);
  await claim.release();
  for (const [name, entry] of items.registers) {
    if (!name.startsWith('o#')) continue;
    items.registers.set(name, { ...entry, value: entry.value.replace('"format":1', '"format":2') });
  }
  expect(await one.state.claim(rewritten, never)).toBe('elsewhere');
  expect(await one.state.unsettled([rewritten])).toEqual([rewritten]);
});

test('a state that a newer version created is not used', async () => {
  const items = new StoredItems();
  await replica(items);
  for (const [name, entry] of items.registers) {
    if (!name.startsWith('meta')) continue;
    items.registers.set(name, { ...entry, value: entry.value.replace('"format":1', '"format":2') });
  }
  await expect(replica(items)).rejects.toMatchObject({ code: 'ERR_STATE_NEWER' });
});

test('all replicas have the secret and the day of the first one', async () => {
  const items = new StoredItems();
  const [one, other] = await Promise.all([replica(items), replica(items, { now: '2026-03-01T00:00:00Z' })]);
  expect(other.state.hashSecret).toEqual(one.state.hashSecret);
  expect(other.state.createdOn).toBe(one.state.createdOn);
});

test('a state that was used for other sources only is refused, and one that was used for one of them is taken', async () => {
  const items = new StoredItems();
  await replica(items, { sources: named('s3://audit', 's3://more') });
  await expect(replica(items, { sources: named('s3://foreign') })).rejects.toMatchObject({
    code: 'ERR_STATE_SOURCES',
    message: expect.stringContaining('s3://audit, s3://more'),
  });
  await replica(items, { sources: named('s3://more', 's3://moved') });
  await replica(items, { sources: named('s3://moved') });
});

test.each<[string, SourceIdentity, SourceIdentity]>([
  [
    'has another name',
    { name: 'databricks://host/one', idsBeginWith: 'databricks://host/system.access.audit/' },
    { name: 'databricks://host/two', idsBeginWith: 'databricks://host/system.access.audit/' },
  ],
  [
    'is wider',
    { name: 'az://insights-logs-jobs', idsBeginWith: 'az://acme/insights-logs-jobs/' },
    { name: 'az://acme', idsBeginWith: 'az://acme/insights-logs-' },
  ],
  [
    'is narrower',
    { name: 's3://audit', idsBeginWith: 's3://audit/' },
    { name: 's3://audit/logs', idsBeginWith: 's3://audit/logs/' },
  ],
])('a state is taken by a source that lists the same objects and %s', async (_, before, after) => {
  const items = new StoredItems();
  await replica(items, { sources: [before] });
  const foreign = { name: 's3://audit-2', idsBeginWith: 's3://audit-2/' };
  await expect(replica(items, { sources: [foreign] })).rejects.toMatchObject({ code: 'ERR_STATE_SOURCES' });
  await replica(items, { sources: [after] });
  await expect(replica(items, { sources: [foreign] })).rejects.toMatchObject({ code: 'ERR_STATE_SOURCES' });
});

test.each<[string, SourceIdentity]>([
  ['s3://audit', { name: 's3://audit/logs', idsBeginWith: 's3://audit/logs/' }],
  ['az://acme', { name: 'az://acme/insights-logs-jobs', idsBeginWith: 'az://acme/insights-logs-jobs/' }],
  // The version before did not add the table to the name.
  ['databricks://host/one', { name: 'databricks://host/one?table=a.b.c', idsBeginWith: 'databricks://host/a.b.c/' }],
  // The version before wrote the form of the variable when it copied a state.
  ['databricks://', { name: 'databricks://host/one', idsBeginWith: 'databricks://host/system.access.audit/' }],
])('a state that an earlier version used for %s, of which it kept the name only, is taken', async (name, source) => {
  const items = new StoredItems();
  await replica(items, { sources: [{ name }] });
  const foreign = { name: 's3://audit-2', idsBeginWith: 's3://audit-2/' };
  await expect(replica(items, { sources: [foreign] })).rejects.toMatchObject({ code: 'ERR_STATE_SOURCES' });
  await replica(items, { sources: [source] });
  // From now on it is known what the ids begin with.
  await replica(items, { sources: [{ ...source, name: 'in another form' }] });
});

function named(...names: readonly string[]): readonly SourceIdentity[] {
  return names.map((name) => ({ name }));
}

test('replicas that map records differently warn once', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  const other = await replica(items, { replica: { host: 'there', version: '1.0.1', fingerprint: 'another' } });
  await passIntervals(5, one, other);
  for (const { events } of [one, other])
    expect(
      events.filter((event) => event.kind === 'faultMet' && event.fault.code === 'ERR_REPLICA_DIFFERS'),
    ).toHaveLength(1);
});

test('opening gives up after a minute without an answer', async () => {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const store = new ScriptedStore();
  store.fault = () => 'before';
  const options = { sources: [], lookbackDays: 3, replica: { host: 'h', version: '1', fingerprint: 'f' } };
  const opening = openSharedState({ ...options, store, clock, logger: silentLogger, stopping: never });
  opening.catch(() => {});
  for (let second = 0; second < 65; second += 5) await clock.advance(5_000);
  await expect(opening).rejects.toMatchObject({ code: 'ERR_STATE_UNAVAILABLE' });
});

test('a poll asks only about what it does not know to be settled', async () => {
  const items = new StoredItems();
  const one = await replica(items);
  await settle(one);
  expect(await one.state.unsettled([object, rewritten])).toEqual([rewritten]);
  one.store.calls.length = 0;
  expect(await one.state.unsettled([object])).toEqual([object].filter(() => false));
  expect(one.store.calls).toEqual(['readMany 1']);
  one.store.calls.length = 0;
  expect(await one.state.unsettled([object])).toEqual([]);
  expect(one.store.calls).toEqual(['readMany 0']);
});

test('a replica that stands aside gives up objects and leads, and what it has announced and settled stays', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const claim = await claimed(one);
  const first = claim.announce(announcement(5, [1, 2]));
  claim.announce(announcement(6, [3, 4]));
  await claim.flush(never);
  claim.settle(settlement([1, 2], { announcementId: first }));
  const lead = await one.state.lead('sweep');
  expect(await other.state.lead('sweep')).toBeUndefined();

  const resume = one.state.standAside?.();
  expect(claim.lost.aborted).toBe(true);
  expect(lead?.lost.aborted).toBe(true);
  await claim.release();
  expect(one.events).not.toContainEqual({ kind: 'claimLost' });
  expect(await one.state.claim(object, never)).toBe('elsewhere');
  expect(await one.state.lead('sweep')).toBeUndefined();
  const next = await claimed(other);
  expect(other.events).not.toContainEqual({ kind: 'claimTakenOver' });
  expect(await hashesOf(next)).toEqual([[1, 2]]);
  expect(next.announcements).toEqual([announcement(6, [3, 4])]);
  const otherLead = await other.state.lead('sweep');
  expect(otherLead).toBeDefined();

  await next.release();
  await otherLead?.release();
  resume?.();
  expect((await claimed(one)).lost.aborted).toBe(false);
  expect((await one.state.lead('sweep'))?.lost.aborted).toBe(false);
});

test('a lead that was asked for before a replica stood aside is not kept by who asked with it afterwards', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const before = one.state.lead('sweep');
  one.state.standAside?.()();
  const after = await one.state.lead('sweep');
  expect(await before).toBeUndefined();
  expect(await other.state.lead('sweep')).toBeDefined();
  expect(after?.lost.aborted).toBe(true);
  expect(await one.state.lead('sweep')).toBeUndefined();
});

test('a claim or lead that is granted at the moment at which a replica stands aside is given up', async () => {
  const items = new StoredItems();
  const [one, other] = [await replica(items), await replica(items)];
  const [claiming, leading] = [claimed(one), one.state.lead('sweep')];
  one.state.standAside?.();
  const claim = await claiming;
  expect(claim.lost.aborted).toBe(true);
  expect(await leading).toBeUndefined();
  await claim.release();
  await claimed(other);
  expect(await other.state.lead('sweep')).toBeDefined();
});
