/**
 * Contract tests for every delivery state (src/contracts/delivery-state.ts), directly and through a worker, whose claims the main
 * thread makes.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Announcement, Claim, DeliveryState, LineHashes, Settlement } from '../../src/contracts/delivery-state.ts';
import { type OpenState, openDeliveryState } from '../../src/delivery/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { memoryObject } from '../support/memory-object.ts';
import { MemoryStore, openMemoryState } from '../support/memory-state.ts';
import { StoredItems } from '../support/model-store.ts';
import { openSharedStateHere, type SharedStateHere } from '../support/shared-state-here.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';
import { workerHere } from '../support/worker-here.ts';

const object = memoryObject('{}\n');
const overwritten = memoryObject('{}\n{}\n');
const elsewhere = { ...object, origin: { ...object.origin, id: 's3://audit/elsewhere' as ObjectId } };
const { version } = object;
const never = new AbortController().signal;
const position = { offsetBytes: 3, lineCount: 1, digest: new Uint8Array(32).fill(7) };

function announcement(
  observedAtMs: number,
  lineHashes: readonly number[],
  occurrences: readonly number[],
): Announcement {
  return { observedAtMs, lineHashes: Int32Array.from(lineHashes), occurrences: Int32Array.from(occurrences) };
}

/** Of one line. */
function settlement(more: Partial<Settlement> = {}): Settlement {
  const lineHashes = Int32Array.of(1, -1);
  const observedRuns = [{ observedAtMs: 5, lineCount: 1 }];
  return {
    announcementId: undefined,
    position,
    lineHashes,
    observedRuns,
    acceptedCount: 1,
    deadLetteredCount: 0,
    ...more,
  };
}

/** A place where states live, while processes come and go. */
interface Place {
  open(): Promise<OpenState>;
  /** What the next process finds if all processes so far are killed now. */
  kill(): Place;
}

function sqlite(directory = temporaryDirectory()): Place {
  return {
    open: () => openDeliveryState({ directory, clock: systemClock, logger: silentLogger }),
    kill() {
      const copy = join(temporaryDirectory(), 'state');
      cpSync(directory, copy, { recursive: true });
      return sqlite(copy);
    },
  };
}

function memory(store = new MemoryStore()): Place {
  const states: ReturnType<typeof openMemoryState>[] = [];
  return {
    async open() {
      const state = openMemoryState({ store });
      states.push(state);
      return state;
    },
    kill() {
      for (const state of states) state.die();
      return memory(store);
    },
  };
}

function shared(items = new StoredItems()): Place {
  const open: SharedStateHere[] = [];
  return {
    async open() {
      const here = await openSharedStateHere(items);
      open.push(here);
      return here.state;
    },
    kill() {
      for (const here of open) here.kill();
      return shared(items);
    },
  };
}

type Visit = (claim: Claim) => Promise<void>;
type Work = (claim: Claim, visit: Visit) => Promise<void>;

const onThisThread: Work = (claim, visit) => visit(claim);

const inWorker: Work = async (claim, visit) => {
  let visited = Promise.resolve();
  const worker = workerHere({}, () => ({
    async visit(_, seen) {
      visited = visit(seen);
      await visited.catch(() => {}); // Reported below.
      return { status: 'settled' };
    },
  }));
  await worker.visit(object, claim, never);
  await visited;
};

const ways: Readonly<Record<string, readonly [createPlace: () => Place, work: Work]>> = {
  'in SQLite': [sqlite, onThisThread],
  'in SQLite, through a worker': [sqlite, inWorker],
  'that replicas share': [shared, onThisThread],
  'that replicas share, through a worker': [shared, inWorker],
  'in memory': [memory, onThisThread],
  'in memory, through a worker': [memory, inWorker],
};

describe.each(Object.entries(ways))('a delivery state %s', (_, [createPlace, work]) => {
  /** Opens a state, lets a visit use its claim of the object, and leaves it open. */
  async function visitIn(place: Place, visit: Visit, of: DeliveredObject = object): Promise<OpenState> {
    const state = await place.open();
    onTestFinished(() => state.close());
    await claiming(state, of, (claim) => work(claim, visit));
    return state;
  }

  /** What the next process knows if this one is killed at the end of the visit. */
  async function afterVisit(place: Place, visit: Visit): Promise<Seen> {
    const state = await openIn(place);
    let next = place;
    await claiming(state, object, async (claim) => {
      await work(claim, visit);
      next = place.kill();
    });
    return await seenIn(await openIn(next));
  }

  test('keeps what was flushed, and nothing else, if its process is killed', async () => {
    const seen = await afterVisit(createPlace(), async (claim) => {
      claim.announce(announcement(5, [3, 4], [1]));
      claim.settle(settlement());
      await claim.flush(never);
      claim.announce(announcement(6, [5, 6], [1]));
    });
    expect(seen).toEqual({
      known: { settledVersion: undefined, settled: position, hasLineHashes: true },
      lineHashes: [1, -1],
      announcements: [announcement(5, [3, 4], [1])],
    });
  });

  test('gives a visit what earlier visits recorded', async () => {
    const place = createPlace();
    const state = await visitIn(place, async (claim) => {
      expect(await seenBy(claim)).toEqual({ known: undefined, lineHashes: [], announcements: [] });
      claim.announce(announcement(5, [3, 4, 3, 4], [1, 2]));
      claim.settle(settlement());
      claim.settle(settlement({ lineHashes: Int32Array.of(8, 9) }));
      await claim.flush(never);
    });
    await claiming(state, object, (claim) =>
      work(claim, async (same) => {
        expect(await seenBy(same)).toEqual({
          known: { settledVersion: undefined, settled: position, hasLineHashes: true },
          lineHashes: [1, -1, 8, 9],
          announcements: [announcement(5, [3, 4, 3, 4], [1, 2])],
        });
      }),
    );
  });

  test('removes the announcement of a settled batch, and no other', async () => {
    const place = createPlace();
    const before = await visitIn(place, async (claim) => {
      claim.announce(announcement(4, [1, 2], [1]));
      await claim.flush(never);
    });
    await claiming(before, object, (claim) =>
      work(claim, async (same) => {
        const first = same.announce(announcement(5, [3, 4], [1]));
        const second = same.announce(announcement(5, [5, 6], [7]));
        expect(second).not.toBe(first);
        same.settle(settlement({ announcementId: first, lineHashes: Int32Array.of(3, 4) }));
        await same.flush(never);
      }),
    );
    const { announcements } = await seenIn(before);
    expect(announcements).toEqual([announcement(4, [1, 2], [1]), announcement(5, [5, 6], [7])]);
  });

  test('does not take over the memory of the hashes', async () => {
    const hashes = Int32Array.of(3, 4);
    const occurrences = Int32Array.of(2);
    await visitIn(createPlace(), async (claim) => {
      claim.announce({ observedAtMs: 5, lineHashes: hashes, occurrences });
      claim.settle(settlement({ lineHashes: hashes }));
      await claim.flush(never);
    });
    expect([hashes, occurrences]).toEqual([Int32Array.of(3, 4), Int32Array.of(2)]);
  });

  test('knows the version that was finished, and what is still announced', async () => {
    const seen = await afterVisit(createPlace(), async (claim) => {
      claim.announce(announcement(5, [3, 4], [1]));
      claim.announce(announcement(5, [5, 6], [1]));
      claim.finish(version, position, [announcement(4, [3, 4, 9, 9], [1, 0])]);
      await claim.flush(never);
    });
    expect(seen.known?.settledVersion).toEqual(version);
    expect(seen.announcements).toEqual([announcement(4, [3, 4, 9, 9], [1, 0])]);
  });

  test('answers that a finished version is settled and an overwritten one is not', async () => {
    const state = await visitIn(createPlace(), async (claim) => {
      claim.finish(version, position, []);
      await claim.flush(never);
    });
    expect(await state.unsettled([object, overwritten, elsewhere])).toEqual([overwritten, elsewhere]);
    expect(await state.claim(object, never)).toBe('settled');
    await claiming(state, overwritten, async (claim) => expect(claim.known?.settledVersion).toEqual(version));
  });

  test('remembers what was wrong with a settled version until another one is settled, or it is read again', async () => {
    const place = createPlace();
    const fault = { status: 'damaged', code: 'ERR_OBJECT_DAMAGED', message: 'unexpected end of file' } as const;
    await visitIn(place, async (claim) => {
      claim.finish(version, position, [], fault);
      await claim.flush(never);
    });
    const state = await openIn(place.kill());
    const faults = async () => {
      await state.unsettled([object, elsewhere]);
      return await state.settledFaults([object, elsewhere]);
    };
    expect([...(await faults())]).toEqual([[object.origin.id, fault]]);
    await claiming(state, overwritten, async (claim) => {
      claim.finish(overwritten.version, position, []);
      await claim.flush(never);
    });
    await state.unsettled([overwritten]);
    expect([...(await state.settledFaults([overwritten]))]).toEqual([]);

    await claiming(state, object, async (claim) => {
      claim.finish(version, position, [], fault);
      await claim.flush(never);
    });
    expect([...(await faults()).values()]).toEqual([fault]);
    await state.reopen(object, never);
    await claiming(state, object, async (claim) => {
      claim.finish(version, position, []);
      await claim.flush(never);
    });
    expect([...(await faults())]).toEqual([]);
  });

  test('knows by the beginning of their ids which objects were visited', async () => {
    const place = createPlace();
    await visitIn(place, async (claim) => {
      claim.settle(settlement());
      await claim.flush(never);
    });
    const state = await openIn(place.kill());
    const { id } = object.origin;
    const parent = id.slice(0, id.lastIndexOf('/') + 1);
    for (const known of [[id], [parent], [''], ['s3://another/', parent], [`${parent}a/`, id.slice(0, -1)]])
      expect([known, await state.knowsAny(known, never)]).toEqual([known, true]);
    for (const unknown of [[], [`${id}/`], ['s3://another/', 't'], [`${parent}!`], [parent.toUpperCase()]])
      expect([unknown, await state.knowsAny(unknown, never)]).toEqual([unknown, false]);
  });

  test('grants one claim per object at a time', async () => {
    const state = await openIn(createPlace());
    await claiming(state, object, async () => expect(await state.claim(overwritten, never)).toBe('elsewhere'));
    await claiming(state, overwritten, async (claim) => expect(claim.known).toBeUndefined());
  });

  test('writes what was not flushed when the claim is released and the state is closed', async () => {
    const place = createPlace();
    const state = await place.open();
    await claiming(state, object, async (claim) => claim.settle(settlement()));
    await state.close();
    expect((await seenIn(await openIn(place))).known?.settled).toEqual(position);
  });

  test('knows nothing about an object that was forgotten', async () => {
    const place = createPlace();
    await visitIn(place, async (claim) => {
      claim.announce(announcement(5, [3, 4], [1]));
      claim.settle(settlement());
      claim.forget();
      claim.settle(settlement({ lineHashes: Int32Array.of(8, 9), position: undefined }));
      await claim.flush(never);
    });
    const { known, lineHashes, announcements } = await seenIn(await openIn(place.kill()));
    expect(known).toMatchObject({ settled: { offsetBytes: 0, lineCount: 0 }, hasLineHashes: true });
    expect(lineHashes).toEqual([8, 9]);
    expect(announcements).toEqual([]);
  });

  test('makes a visit read a reopened object again, from its start if it has line hashes', async () => {
    const place = createPlace();
    const state = await visitIn(place, async (claim) => {
      claim.settle(settlement());
      claim.finish(version, position, []);
      await claim.flush(never);
    });
    await state.reopen(object, never);
    expect(await state.unsettled([object])).toEqual([object]);
    const { known, lineHashes } = await seenIn(state);
    expect(known).toMatchObject({ settledVersion: undefined, settled: { offsetBytes: 0, lineCount: 0 } });
    expect(lineHashes).toEqual([1, -1]);
  });

  test('keeps the line hashes of an object before the lookback window while it is claimed', async () => {
    const state = await visitIn(createPlace(), async (claim) => {
      claim.settle(settlement());
      claim.finish(version, position, []);
      await claim.flush(never);
    });
    await claiming(state, overwritten, async (claim) => {
      state.dropLineHashes('2026-02-01');
      await claim.flush(never);
      expect((await seenBy(claim)).lineHashes).toEqual([1, -1]);
    });
    state.dropLineHashes('2026-02-01');
    await claiming(state, elsewhere, async (claim) => claim.flush(never));
    const { known, lineHashes } = await seenIn(state);
    expect(known).toMatchObject({ settled: position, hasLineHashes: false });
    expect(lineHashes).toEqual([]);
  });

  test('remembers the newest event of each workspace, and its silence', async () => {
    const state = await visitIn(createPlace(), async (claim) => {
      claim.settle(settlement({ newestEventMs: 1000 }));
      claim.settle(settlement({ newestEventMs: 500 }));
      await claim.flush(never);
    });
    expect(await state.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence: undefined }]);
    await state.beginSilence('1', 1000, 60, never);
    await state.silenceReported('1', never);
    const silence = { sinceMs: 1000, thresholdMs: 60, isReported: true, endedByMs: undefined };
    expect(await state.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence }]);
    await state.endSilence('1', never);
    expect(await state.workspaces()).toEqual([{ workspaceId: '1', lastEventMs: 1000, silence: undefined }]);
  });

  test('grants the lead of each task if nobody else has it', async () => {
    const state = await openIn(createPlace());
    for (const task of ['sweep', 'silence'] as const) {
      const lead = await state.lead(task);
      expect(lead?.lost.aborted).toBe(false);
      await lead?.release();
    }
  });

  test('rejects a flush and a claim with the reason of an aborted signal', async () => {
    const reason = new Error('stopping');
    const state = await visitIn(createPlace(), async (claim) => {
      await expect(claim.flush(AbortSignal.abort(reason))).rejects.toBe(reason);
      const stop = new AbortController();
      claim.announce(announcement(5, [3, 4], [1]));
      const flushing = claim.flush(stop.signal);
      stop.abort(reason);
      await expect(flushing).rejects.toBe(reason);
    });
    await expect(state.claim(object, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('rejects a flush with ERR_STATE_DAMAGED once damage was found', async () => {
    const cause = new Error('database disk image is malformed');
    const damage = new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged', { cause, hint: 'Wait.' });
    const state = await openIn(createPlace());
    await claiming(state, object, async (claim) => {
      const damaged: Claim = {
        known: claim.known,
        announcements: claim.announcements,
        lost: claim.lost,
        settledLineHashes: () => claim.settledLineHashes(),
        announce: (each) => claim.announce(each),
        settle: (each) => claim.settle(each),
        finish: (...end) => claim.finish(...end),
        forget: () => claim.forget(),
        flush: () => Promise.reject(damage),
        release: () => claim.release(),
      };
      await work(damaged, async (seen) => {
        const failure = await seen.flush(never).catch((error: unknown) => error);
        expect(failure).toBeInstanceOf(AgentError);
        const { message, hint } = damage;
        expect(failure).toMatchObject({ code: 'ERR_STATE_DAMAGED', message, hint, cause: { message: cause.message } });
      });
    });
  });
});

describe.each([
  ['on this thread', onThisThread],
  ['through a worker', inWorker],
])('a claim that is taken over, %s,', (_, work) => {
  test('is lost: its later changes have no effect, and the object can be claimed again', async () => {
    const store = new MemoryStore();
    let loses = false;
    const state = openMemoryState({ store, loses: () => loses });
    await claiming(state, object, (claim) =>
      work(claim, async (seen) => {
        seen.settle(settlement());
        await seen.flush(never);
        expect(seen.lost.aborted).toBe(false);
        loses = true;
        seen.settle(settlement({ lineHashes: Int32Array.of(8, 9) }));
        await expect(seen.flush(never)).rejects.toThrow();
        expect(seen.lost.aborted).toBe(true);
        loses = false;
        seen.settle(settlement({ lineHashes: Int32Array.of(6, 7) }));
        await expect(seen.flush(never)).rejects.toThrow();
      }),
    );
    expect((await seenIn(state)).lineHashes).toEqual([1, -1]);
    await state.close();
  });

  test('is found out before the next attempt to send, also by a worker', async () => {
    const items = new StoredItems();
    const { state } = await openSharedStateHere(items);
    onTestFinished(() => state.close());
    const lost = new AbortController();
    let asked = 0;
    await claiming(state, object, async (claim) => {
      const watched: Claim = {
        known: claim.known,
        announcements: claim.announcements,
        lost: lost.signal,
        settledLineHashes: () => claim.settledLineHashes(),
        announce: (each) => claim.announce(each),
        settle: (each) => claim.settle(each),
        finish: (...end) => claim.finish(...end),
        forget: () => claim.forget(),
        flush: (signal) => claim.flush(signal),
        confirm: async () => {
          if (++asked === 2) lost.abort(new Error('the claim is lost'));
          lost.signal.throwIfAborted();
        },
        release: () => claim.release(),
      };
      await work(watched, async (seen) => {
        await seen.confirm?.(never);
        await expect(seen.confirm?.(never)).rejects.toThrow();
        expect(seen.lost.aborted).toBe(true);
      });
    });
    expect(asked).toBe(2);
  });

  test('can be refused, and granted later', async () => {
    let refuses = true;
    const state = openMemoryState({ refuses: () => refuses });
    expect(await state.claim(object, never)).toBe('elsewhere');
    refuses = false;
    await claiming(state, object, (claim) => work(claim, async (seen) => expect(seen.known).toBeUndefined()));
    await state.close();
  });
});

interface Seen {
  readonly known: Claim['known'];
  readonly lineHashes: readonly number[];
  readonly announcements: Claim['announcements'];
}

async function openIn(place: Place): Promise<OpenState> {
  const state = await place.open();
  onTestFinished(() => state.close());
  return state;
}

async function claiming(
  state: DeliveryState,
  of: DeliveredObject,
  use: (claim: Claim) => Promise<void>,
): Promise<void> {
  const claim = await state.claim(of, never);
  if (typeof claim === 'string') throw new Error(claim);
  try {
    await use(claim);
  } finally {
    await claim.release();
  }
}

/** What a visit to another version of the object receives. */
async function seenIn(state: DeliveryState): Promise<Seen> {
  let seen: Seen | undefined;
  await claiming(state, overwritten, async (claim) => {
    seen = await seenBy(claim);
  });
  if (seen === undefined) throw new Error('there was no visit');
  return seen;
}

async function seenBy(claim: Claim): Promise<Seen> {
  const lineHashes: LineHashes[] = [];
  for await (const hashes of claim.settledLineHashes()) lineHashes.push(hashes);
  const { known, announcements } = claim;
  return { known, announcements, lineHashes: lineHashes.flatMap((hashes) => [...hashes]) };
}
