/**
 * What shipping an object is promised by the state (src/contracts/delivery-state.ts), as the main thread sees it and as a worker does.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Announcement, DeliveryState, Settlement, ShippingState } from '../../src/contracts/delivery-state.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { memoryObject } from '../support/memory-object.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { workerHere } from '../support/worker-here.ts';

const object = memoryObject('{}\n');
const { origin, version } = object;
const never = new AbortController().signal;
const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32).fill(7) };

function announcement(observedAtMs: number, ...hashes: number[]): Announcement {
  return { observedAtMs, occurrenceHashes: Int32Array.from(hashes) };
}

/** Of one line. */
function settlement(more: Partial<Settlement> = {}): Settlement {
  const lineHashes = Int32Array.of(1, -1);
  return { announcementId: undefined, position, lineHashes, acceptedCount: 1, deadLetteredCount: 0, ...more };
}

function open(directory: string): DeliveryState {
  return openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
}

type Visit = (state: ShippingState) => Promise<void>;

/** Each lets a visit to the object work on the state. */
const ways: Readonly<Record<string, (state: DeliveryState, visit: Visit) => Promise<void>>> = {
  'on the main thread': (state, visit) => visit(state),
  async 'in a worker'(state, visit) {
    let visited = Promise.resolve();
    const worker = workerHere({ state }, (seen) => ({
      async ship() {
        visited = visit(seen);
        await visited.catch(() => {}); // Told below.
        return { status: 'settled' };
      },
    }));
    await worker.ship(object, never);
    await visited;
  },
};

describe.each(Object.entries(ways))('the state, %s,', (_, work) => {
  /** @returns the state as another process would find it if this one were gone at the end of the visit. */
  async function afterVisit(directory: string, visit: Visit): Promise<DeliveryState> {
    const copy = join(temporaryDirectory(), 'state');
    const state = open(directory);
    await work(state, async (seen) => {
      await visit(seen);
      cpSync(directory, copy, { recursive: true });
    });
    await state.close();
    return open(copy);
  }

  test('holds after a death what was flushed', async () => {
    const found = await afterVisit(temporaryDirectory(), async (state) => {
      state.announce(origin, announcement(5, 3, 4));
      state.settle(origin, settlement());
      await state.flush(never);
      state.announce(origin, announcement(6, 5, 6));
    });
    expect(found.find(origin.id)).toEqual({ settledVersion: undefined, settled: position, hasLineHashes: true });
    expect([...found.settledLineHashes(origin.id)]).toEqual([Int32Array.of(1, -1)]);
    expect([...found.announcements(origin.id)]).toEqual([announcement(5, 3, 4)]);
    await found.close();
  });

  test('tells a visit what earlier ones left', async () => {
    const directory = temporaryDirectory();
    const found = await afterVisit(directory, async (state) => {
      expect(state.find(origin.id)).toBeUndefined();
      expect([...state.announcements(origin.id)]).toEqual([]);
      expect([...state.settledLineHashes(origin.id)].flatMap((hashes) => [...hashes])).toEqual([]);
      state.announce(origin, announcement(5, 3, 4));
      state.settle(origin, settlement());
      state.settle(origin, settlement({ lineHashes: Int32Array.of(8, 9) }));
      await state.flush(never);
    });
    await found.close();
    const again = await afterVisit(directory, async (state) => {
      expect(state.find(origin.id)).toEqual({ settledVersion: undefined, settled: position, hasLineHashes: true });
      expect([...state.announcements(origin.id)]).toEqual([announcement(5, 3, 4)]);
      const hashes = [...state.settledLineHashes(origin.id)].flatMap((each) => [...each]);
      expect(hashes).toEqual([1, -1, 8, 9]);
    });
    await again.close();
  });

  test('forgets with a settlement the announcement of that batch, and no other', async () => {
    const directory = temporaryDirectory();
    const before = await afterVisit(directory, async (state) => {
      state.announce(origin, announcement(4, 1, 2));
      await state.flush(never);
    });
    await before.close();
    const found = await afterVisit(directory, async (state) => {
      const first = state.announce(origin, announcement(5, 3, 4));
      const second = state.announce(origin, announcement(5, 5, 6));
      expect(second).not.toBe(first);
      state.settle(origin, settlement({ announcementId: first }));
      await state.flush(never);
    });
    expect([...found.announcements(origin.id)]).toEqual([announcement(4, 1, 2), announcement(5, 5, 6)]);
    await found.close();
  });

  test('leaves memory that hashes were handed over in to whoever owns it', async () => {
    const hashes = Int32Array.of(3, 4);
    const found = await afterVisit(temporaryDirectory(), async (state) => {
      state.announce(origin, { observedAtMs: 5, occurrenceHashes: hashes });
      state.settle(origin, settlement({ lineHashes: hashes }));
      await state.flush(never);
    });
    expect(hashes).toEqual(Int32Array.of(3, 4));
    await found.close();
  });

  test('knows the version that was finished, and what is still announced then', async () => {
    const found = await afterVisit(temporaryDirectory(), async (state) => {
      state.announce(origin, announcement(5, 3, 4));
      state.announce(origin, announcement(5, 5, 6));
      state.finish(origin, version, position, [announcement(4, 3, 4)]);
      await state.flush(never);
    });
    expect(found.find(origin.id)?.settledVersion).toEqual(version);
    expect([...found.announcements(origin.id)]).toEqual([announcement(4, 3, 4)]);
    await found.close();
  });

  test('has never seen an object that was forgotten, and says so within the visit', async () => {
    const directory = temporaryDirectory();
    const before = await afterVisit(directory, async (state) => {
      state.announce(origin, announcement(5, 3, 4));
      state.settle(origin, settlement());
      await state.flush(never);
    });
    await before.close();
    const found = await afterVisit(directory, async (state) => {
      state.forget(origin.id);
      await state.flush(never);
      expect(state.find(origin.id)).toBeUndefined();
      expect([...state.announcements(origin.id)]).toEqual([]);
      expect([...state.settledLineHashes(origin.id)].flatMap((hashes) => [...hashes])).toEqual([]);
    });
    expect(found.find(origin.id)).toBeUndefined();
    await found.close();
  });

  test('counts lines that memory does not hold', async () => {
    const state = open(temporaryDirectory());
    await work(state, async (seen) => {
      const index = seen.createLineIndex();
      index.put(Int32Array.of(1, 2, 3, 4));
      expect(index.get(1, 2)).toEqual({ settled: 3, met: 4 });
      index.close();
    });
    await state.close();
  });

  test('rejects a flush with the reason of an aborted signal', async () => {
    const state = open(temporaryDirectory());
    const reason = new Error('stopping');
    await work(state, async (seen) => {
      await expect(seen.flush(AbortSignal.abort(reason))).rejects.toBe(reason);
      const stop = new AbortController();
      seen.announce(origin, announcement(5, 3, 4));
      const flushing = seen.flush(stop.signal);
      stop.abort(reason);
      await expect(flushing).rejects.toBe(reason);
    });
    await state.close();
  });

  test('rejects a flush with ERR_STATE_DAMAGED when that was found', async () => {
    const state = open(temporaryDirectory());
    const cause = new Error('database disk image is malformed');
    const damage = new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged', { cause, hint: 'Wait.' });
    const damaged = new Proxy(state, {
      get: (target, name) => (name === 'flush' ? () => Promise.reject(damage) : bound(target, name)),
    });
    await work(damaged, async (seen) => {
      const { message, hint } = damage;
      const failure = await seen.flush(never).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(AgentError);
      expect(failure).toMatchObject({ code: 'ERR_STATE_DAMAGED', message, hint, cause: { message: cause.message } });
    });
    await state.close();
  });
});

/** SqliteState has private fields, which a proxy does not have. */
function bound(target: DeliveryState, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name);
  return typeof value === 'function' ? value.bind(target) : value;
}
