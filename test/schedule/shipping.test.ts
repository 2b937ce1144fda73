import { describe, expect, it, onTestFinished } from 'vitest';
import type { LedTask } from '../../src/contracts/delivery-state.ts';
import type { NotificationQueue, NotifiedCandidate, ReceiveRequest } from '../../src/contracts/notifications.ts';
import type { SettledFault } from '../../src/contracts/settled-fault.ts';
import type { Candidate, ListingRequest, Source } from '../../src/contracts/source.ts';
import type { VisitOutcome } from '../../src/contracts/visit-outcome.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { type Schedule, Shipping, type ShippingContext } from '../../src/schedule/shipping.ts';
import { Activity } from '../../src/telemetry/activity.ts';
import { Counters } from '../../src/telemetry/counters.ts';
import { readiness } from '../../src/telemetry/health.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';

const [minute, day] = [60_000, 86_400_000];
const schedule: Schedule = { lookbackDays: 7, sweepIntervalMs: day, startDate: undefined };

/** Small, so that dates span several pages. */
const pageSize = 2;

/** A bucket as a list of `workspace/date/name`. A listing, like S3's, has the oldest date of each workspace first. */
class Bucket implements Source {
  readonly name = 's3://audit';
  pollIntervalMs = minute;
  /** The outcomes of the candidates, by id. */
  readonly outcomes = new Map<string, VisitOutcome['status'][]>();
  readonly keys = new Set<string>();
  readonly listings: ListingRequest['dates'][] = [];
  readonly failing = new Set<string>();
  /** Workspaces of which a folder cannot be listed, and whether that is reported to the request. */
  readonly partial = new Map<string, 'pages' | 'request'>();
  sourceFailure: AgentError | undefined;
  oddity: AgentError | undefined;
  asksState = false;
  readonly answers: unknown[] = [];
  /** Older dates are listed when it resolves. */
  olderAreListed: Promise<void> | undefined;

  constructor(...keys: readonly string[]) {
    for (const key of keys) this.keys.add(key);
  }

  async *list({ dates, onFault, knowsAny }: ListingRequest) {
    this.listings.push(dates);
    if (this.asksState) this.answers.push(await knowsAny?.(['s3://audit/']));
    if (this.oddity !== undefined) onFault(this.oddity);
    if (this.sourceFailure !== undefined) throw this.sourceFailure;
    if (dates.before !== undefined) await this.olderAreListed;
    const all = [...this.keys].sort().map((key) => key.split('/') as [string, string, string]);
    for (const workspaceId of new Set(all.map(([workspace]) => workspace))) {
      const { failing, partial } = this;
      const candidate = (object: DeliveredObject) => this.#candidate(object);
      yield {
        workspaceId,
        async *pages(onPagesFault = onFault): AsyncIterable<readonly Candidate[]> {
          if (failing.has(workspaceId)) throw new AgentError('ERR_SOURCE_ACCESS_DENIED', 'denied');
          const reportTo = { pages: onPagesFault, request: onFault }[partial.get(workspaceId) ?? 'pages'];
          if (partial.has(workspaceId)) reportTo(new AgentError('ERR_SOURCE_READ', 'folder not listed'));
          const listed = all.filter(
            ([workspace, date]) =>
              workspace === workspaceId && (dates.from ?? '') <= date && date < (dates.before ?? '9999'),
          );
          for (let at = 0; at < listed.length; at += pageSize) {
            yield listed.slice(at, at + pageSize).map((key) => candidate(objectAt(...key)));
          }
        },
      };
    }
  }

  #candidate(object: DeliveredObject): Candidate {
    const { id } = object.origin;
    return {
      object,
      settle: ({ status }) => this.outcomes.set(id, [...(this.outcomes.get(id) ?? []), status]),
    };
  }

  async close() {}
}

function objectAt(workspaceId: string, date: string, fileName: string): DeliveredObject {
  const object = memoryObject('{}\n');
  const id = `${workspaceId}/${date}/${fileName}` as ObjectId;
  return { ...object, origin: { ...object.origin, id, workspaceId, date, fileName } };
}

/** Hands out what the test sends. */
class Queue implements NotificationQueue {
  readonly name = 'queue';
  readonly requests: ReceiveRequest[] = [];
  readonly outcomes: VisitOutcome['status'][] = [];
  failure: AgentError | undefined;
  #waiting: NotifiedCandidate[] = [];
  #wake = () => {};

  send(...keys: readonly (readonly [string, string, string])[]): void {
    for (const key of keys) {
      const settle = ({ status }: VisitOutcome) => void this.outcomes.push(status);
      this.#waiting.push({ source: 's3://audit', object: objectAt(...key), settle });
    }
    this.#wake();
  }

  async receive(request: ReceiveRequest): Promise<readonly NotifiedCandidate[]> {
    this.requests.push(request);
    if (this.failure !== undefined) throw this.failure;
    const { signal, countMax } = request;
    if (this.#waiting.length === 0) {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    }
    return this.#waiting.splice(0, countMax);
  }

  async close() {}
}

/** Ships nothing: records its visits, and ends them when the test says so. Is the state as well. */
class Shipper {
  readonly visited: string[] = [];
  readonly settledIds = new Set<string>();
  hold: ((id: string) => boolean) | undefined;
  end: (id: string) => VisitOutcome = () => ({ status: 'settled' });
  leads = true;
  lost = new AbortController();
  readonly faults = new Map<ObjectId, SettledFault>();
  readonly asked: LedTask[] = [];
  releasedLeads = 0;
  readonly #held = new Map<string, () => void>();

  async unsettled(objects: readonly DeliveredObject[]) {
    return objects.filter(({ origin }) => !this.settledIds.has(origin.id));
  }

  async settledFaults() {
    return this.faults;
  }

  knowsAny: ShippingContext['state']['knowsAny'] = async () => false;

  async lead(task: LedTask) {
    this.asked.push(task);
    if (!this.leads) return undefined;
    return { lost: this.lost.signal, release: async () => void this.releasedLeads++ };
  }

  async ship({ origin: { id } }: DeliveredObject, signal: AbortSignal): Promise<VisitOutcome> {
    signal.throwIfAborted();
    if (this.#held.has(id)) return { status: 'elsewhere' };
    this.visited.push(id);
    if (this.hold?.(id)) {
      await new Promise<void>((resolve, reject) => {
        this.#held.set(id, resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
      this.#held.delete(id);
    }
    const end = this.end(id);
    if (end.status === 'settled') this.settledIds.add(id);
    return end;
  }

  release(id: string) {
    this.#held.get(id)?.();
  }
}

function setUp(bucket: Bucket, changes: Partial<Schedule> = {}, workers?: number, queues: NotificationQueue[] = []) {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const shipper = new Shipper();
  const logged: { message: string; fields: Record<string, unknown> }[] = [];
  const log = (fields: object, message: string) => logged.push({ message, fields: { ...fields } });
  const counters = new Counters();
  const activity = new Activity([bucket.name], [], () => clock.nowMs());
  const shipping = new Shipping({
    sources: [bucket],
    shipper,
    state: shipper,
    workers,
    queues,
    schedule: { ...schedule, ...changes },
    observe: (event) => {
      counters.observe(event);
      activity.observe(event);
    },
    clock,
    logger: { ...silentLogger, info: log, warn: log, error: log },
  });
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  /** The error with which `follow` rejected; undefined while it is running. */
  const follow = async () => {
    let failure: unknown;
    shipping.follow(stop.signal).catch((error: unknown) => {
      failure = error;
    });
    await settled();
    return failure;
  };
  const waitingCount = () => activity.waitingObjects.objectCount;
  const ready = () => readiness(activity, undefined, clock.nowMs());
  return { ready, clock, shipper, logged, counters, activity, waitingCount, shipping, stop, follow };
}

describe('Shipping', () => {
  it('ships the dates of the lookback window first, oldest first, and older dates when those are done', async () => {
    const bucket = new Bucket('1/2026-03-10/b', '1/2024-01-01/a', '1/2026-03-04/a', '1/2025-06-01/a', '1/2026-03-10/a');
    const { shipper, follow } = setUp(bucket);
    shipper.hold = (id) => id === '1/2026-03-10/a';
    await follow();
    expect(shipper.visited).toEqual(['1/2026-03-04/a', '1/2026-03-10/a', '1/2026-03-10/b']);
    shipper.release('1/2026-03-10/a');
    await settled();
    expect(shipper.visited.slice(3)).toEqual(['1/2024-01-01/a', '1/2025-06-01/a']);
  });

  it('ships older dates although an object of a recent one is never done', async () => {
    const { shipper, clock, follow } = setUp(new Bucket('1/2026-03-10/stuck', '2/2024-01-01/a'));
    shipper.hold = (id) => id.endsWith('stuck');
    await follow();
    for (let i = 0; i < 59; i++) await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2026-03-10/stuck']);
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2026-03-10/stuck', '2/2024-01-01/a']);
  });

  it('lists on if the state cannot tell a source whether it knows its objects', async () => {
    const bucket = new Bucket('1/2026-03-10/a');
    bucket.asksState = true;
    const { shipper, clock, follow } = setUp(bucket);
    shipper.knowsAny = async () => {
      throw new AgentError('ERR_STATE_UNAVAILABLE', 'no right to scan');
    };
    expect(await follow()).toBeUndefined();
    shipper.knowsAny = async ([id]) => id === 's3://audit/';
    await clock.advance(minute);
    expect([bucket.answers[0], bucket.answers.at(-1)]).toEqual([undefined, true]);
    expect(shipper.visited).toEqual(['1/2026-03-10/a']);
  });

  it('ends when a source asks a state that is damaged', async () => {
    const bucket = new Bucket('1/2026-03-10/a');
    bucket.asksState = true;
    const { shipper, follow } = setUp(bucket);
    const damage = new AgentError('ERR_STATE_DAMAGED', 'damaged');
    shipper.knowsAny = () => Promise.reject(damage);
    expect(await follow()).toBe(damage);
  });

  it('starts a date when every object of the previous date is done', async () => {
    const bucket = new Bucket('1/2026-03-09/a', '1/2026-03-09/b', '1/2026-03-10/a');
    const { shipper, follow } = setUp(bucket);
    shipper.hold = (id) => id === '1/2026-03-09/b';
    await follow();
    expect(shipper.visited).toEqual(['1/2026-03-09/a', '1/2026-03-09/b']);
    shipper.release('1/2026-03-09/b');
    await settled();
    expect(shipper.visited.at(-1)).toBe('1/2026-03-10/a');
  });

  it.each([
    { workers: 1, recentCount: 6, olderCount: 3, workspaceCount: 4 },
    { workers: 2, recentCount: 6, olderCount: 4, workspaceCount: 4 },
    { workers: 8, recentCount: 16, olderCount: 16, workspaceCount: 16 },
  ])('keeps $workers workers busy, with recent objects and older ones', async (row) => {
    const numbers = Array.from({ length: 20 }, (_, index) => String(index).padStart(2, '0'));
    const holdAll = async (...keys: string[]) => {
      const { shipper, follow } = setUp(new Bucket(...keys), {}, row.workers);
      shipper.hold = () => true;
      await follow();
      return shipper.visited.length;
    };
    expect(await holdAll(...numbers.map((name) => `1/2026-03-10/${name}`))).toBe(row.recentCount);
    expect(await holdAll(...numbers.map((name) => `1/2024-01-01/${name}`))).toBe(row.olderCount);
    expect(await holdAll(...numbers.map((workspace) => `${workspace}/2026-03-10/a`))).toBe(row.workspaceCount);
  });

  it('ships what is delivered today while a backfill is running', async () => {
    const bucket = new Bucket('1/2024-01-01/a');
    const { shipper, clock, follow } = setUp(bucket);
    shipper.hold = (id) => id.includes('2024');
    await follow();
    bucket.keys.add('1/2026-03-10/new');
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2024-01-01/a', '1/2026-03-10/new']);
    expect(shipper.settledIds).toEqual(new Set(['1/2026-03-10/new']));
  });

  it('ships other workspaces while one is busy, and lists the busy one again when it is done', async () => {
    const bucket = new Bucket('1/2026-03-10/slow', '2/2026-03-10/a');
    const { shipper, clock, follow } = setUp(bucket);
    shipper.hold = (id) => id.endsWith('slow');
    await follow();
    bucket.keys.add('1/2026-03-10/x').add('2/2026-03-10/b');
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2026-03-10/slow', '2/2026-03-10/a', '2/2026-03-10/b']);
    shipper.release('1/2026-03-10/slow');
    await settled();
    await clock.advance(minute);
    expect(shipper.visited).toContain('1/2026-03-10/x');
  });

  it('polls the lookback window at every interval, and everything else once per sweep interval', async () => {
    const bucket = new Bucket('1/2026-03-10/a');
    const { clock, follow } = setUp(bucket);
    await follow();
    for (let i = 0; i < 3; i++) await clock.advance(minute);
    const polls = () => bucket.listings.filter(({ before }) => before === undefined).length;
    const sweeps = () => bucket.listings.length - polls();
    expect(polls()).toBe(4);
    expect(bucket.listings[0]).toEqual({ from: '2026-03-03', before: undefined });
    const sweepsBefore = sweeps();
    await clock.advance(day);
    expect(sweeps()).toBe(sweepsBefore + 1);
    expect(bucket.listings.findLast(({ before }) => before !== undefined)).toEqual({
      from: undefined,
      before: '2026-03-04',
    });
  });

  it('sweeps within a minute of the end of the process that did, however seldom it polls', async () => {
    const bucket = new Bucket('1/2024-01-01/a');
    bucket.pollIntervalMs = 15 * minute;
    const { shipper, clock, follow } = setUp(bucket);
    shipper.leads = false;
    await follow();
    await clock.advance(minute);
    expect(shipper.asked).toEqual(['sweep', 'sweep']);
    shipper.leads = true;
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2024-01-01/a']);
  });

  it('waits for ten polls after a sweep that was incomplete', async () => {
    const { shipper, clock, follow } = setUp(new Bucket('1/2024-01-01/a'));
    shipper.end = () => ({ status: 'released', error: new AgentError('ERR_SOURCE_READ', 'cut') });
    await follow();
    for (let i = 0; i < 9; i++) await clock.advance(minute);
    expect(shipper.visited).toHaveLength(1);
    await clock.advance(minute);
    expect(shipper.visited).toHaveLength(2);
  });

  it('does not say that everything is shipped before the older dates were listed, unless another process does that', async () => {
    const bucket = new Bucket('1/2024-01-01/a', '1/2026-03-10/a');
    const older = Promise.withResolvers<void>();
    bucket.olderAreListed = older.promise;
    const { ready, shipper, clock, follow } = setUp(bucket);
    shipper.leads = false;
    await follow();
    expect(shipper.visited).toEqual(['1/2026-03-10/a']);
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
    shipper.leads = true;
    await clock.advance(minute);
    expect(ready()).toMatchObject({ complete: false, reason: 'The first listing is in progress' });
    older.resolve();
    await settled();
    expect(shipper.visited).toEqual(['1/2026-03-10/a', '1/2024-01-01/a']);
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
  });

  it('leaves it to the process that leads now that older dates could not be listed', async () => {
    const bucket = new Bucket('1/2026-03-10/a');
    const { ready, shipper, clock, follow } = setUp(bucket);
    const denied = Promise.reject(new AgentError('ERR_SOURCE_ACCESS_DENIED', 'denied'));
    denied.catch(() => {});
    bucket.olderAreListed = denied;
    await follow();
    expect(ready()).toMatchObject({ ok: false, complete: false, reason: 'source s3://audit: denied' });
    shipper.leads = false;
    shipper.lost.abort();
    await clock.advance(10 * minute);
    expect(ready()).toMatchObject({ ok: true, complete: true });
    shipper.leads = true;
    shipper.lost = new AbortController();
    await clock.advance(minute);
    expect(ready()).toMatchObject({ ok: false, complete: false, reason: 'source s3://audit: denied' });
  });

  it('does not open what is settled', async () => {
    const { shipper, counters, follow } = setUp(new Bucket('1/2026-03-10/a', '1/2026-03-10/b'));
    shipper.settledIds.add('1/2026-03-10/a');
    await follow();
    expect(shipper.visited).toEqual(['1/2026-03-10/b']);
    expect(counters.objectsUnchanged).toBe(1);
  });

  it('ships nothing before the start date', async () => {
    const bucket = new Bucket('1/2026-02-01/a', '1/2026-03-09/a', '1/2026-03-10/a');
    const { shipper, follow } = setUp(bucket, { startDate: '2026-03-10' });
    await follow();
    expect(shipper.visited).toEqual(['1/2026-03-10/a']);
  });

  it('logs the size of a backfill before it starts, and how to limit it', async () => {
    const { logged, follow } = setUp(
      new Bucket('1/2024-01-01/a', '2/2024-01-01/a', '2/2025-06-01/a', '1/2026-03-10/a'),
    );
    await follow();
    expect(logged).toEqual([
      {
        message: 'Backfill started: some objects are older than the lookback window',
        fields: {
          source: 's3://audit',
          objects: 3,
          bytes: 9,
          days: 2,
          first_date: '2024-01-01',
          last_date: '2025-06-01',
          hint: expect.stringContaining('DATABRICKS_AUDIT_START'),
        },
      },
    ]);
  });

  it('continues with other workspaces if one cannot be listed', async () => {
    const bucket = new Bucket('1/2026-03-10/a', '2/2026-03-10/a');
    bucket.failing.add('1');
    const { shipper, logged, follow } = setUp(bucket);
    await follow();
    expect(shipper.visited).toEqual(['2/2026-03-10/a']);
    expect(logged[0]).toMatchObject({
      message: 'Workspace could not be listed; continuing with the others',
      fields: { workspace: '1' },
    });
  });

  it('logs once that there is nothing to read, and again when that has changed', async () => {
    const bucket = new Bucket();
    bucket.oddity = new AgentError('ERR_SOURCE_LAYOUT', 'nothing yet');
    const { clock, logged, follow } = setUp(bucket);
    await follow();
    for (let i = 0; i < 10; i++) await clock.advance(minute);
    expect(logged.map(({ message }) => message)).toEqual(['Listing is incomplete']);
    bucket.oddity = undefined;
    await clock.advance(minute);
    expect(logged.slice(1)).toMatchObject([{ message: 'Source recovered', fields: { occurrences: 11 } }]);
  });

  it('does not consider a fault resolved while the source cannot be listed', async () => {
    const bucket = new Bucket();
    bucket.oddity = new AgentError('ERR_SOURCE_LAYOUT', 'nothing yet');
    const { clock, logged, follow } = setUp(bucket);
    await follow();
    bucket.oddity = undefined;
    bucket.sourceFailure = new AgentError('ERR_SOURCE_THROTTLED', 'slow down');
    await clock.advance(minute);
    expect(logged.slice(1).map(({ message }) => message)).toEqual(['Source could not be listed; retrying']);
  });

  it('retries a source that could not be listed', async () => {
    const bucket = new Bucket('1/2026-03-10/a');
    bucket.sourceFailure = new AgentError('ERR_SOURCE_CREDENTIALS', 'expired');
    const { shipper, clock, follow } = setUp(bucket);
    await follow();
    bucket.sourceFailure = undefined;
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2026-03-10/a']);
  });

  it('offers an object again that was not read completely', async () => {
    const { shipper, clock, follow } = setUp(new Bucket('1/2026-03-10/a'));
    shipper.end = () => ({ status: 'released', error: new AgentError('ERR_SOURCE_READ', 'cut') });
    await follow();
    shipper.end = () => ({ status: 'settled' });
    await clock.advance(minute);
    expect(shipper.visited).toEqual(['1/2026-03-10/a', '1/2026-03-10/a']);
  });

  it('stops everything if the state is damaged', async () => {
    const { shipper, follow } = setUp(new Bucket('1/2026-03-10/a', '2/2026-03-10/a'));
    shipper.hold = (id) => id.startsWith('2/');
    shipper.end = () => {
      throw new AgentError('ERR_STATE_DAMAGED', 'damaged');
    };
    expect(await follow()).toMatchObject({ code: 'ERR_STATE_DAMAGED' });
  });

  it('ships what is there once, and returns whether all of it could be read', async () => {
    const bucket = new Bucket('1/2024-01-01/a', '1/2026-03-10/a');
    const { shipper, clock, shipping, stop } = setUp(bucket);
    expect(await shipping.shipOnce(stop.signal)).toBe(true);
    expect(shipper.visited).toEqual(['1/2024-01-01/a', '1/2026-03-10/a']);

    bucket.failing.add('1');
    const incomplete = shipping.shipOnce(stop.signal);
    for (let i = 0; i < 3; i++) {
      await settled();
      await clock.advance(minute);
    }
    expect(await incomplete).toBe(false);
  });
});

describe('what waits', () => {
  const denied = (): VisitOutcome => ({
    status: 'released',
    error: new AgentError('ERR_SOURCE_ACCESS_DENIED', 'access denied'),
  });
  const changed = (): VisitOutcome => ({
    status: 'released',
    error: new AgentError('ERR_OBJECT_CHANGED', 'the object has changed'),
  });

  it('is every object that was listed until it is shipped, each once, by workspace', async () => {
    const bucket = new Bucket('1/2026-03-09/a', '1/2026-03-10/a', '2/2026-03-10/a', '1/2024-01-01/a');
    const { shipper, activity, waitingCount, clock, follow } = setUp(bucket);
    shipper.hold = (id) => id !== '2/2026-03-10/a';
    await follow();
    expect(activity.workspaces.get('1')?.waiting).toMatchObject([{ dates: 'recent', objectCount: 2, sizeBytes: 6 }]);
    expect(activity.workspaces.get('2')?.waiting).toEqual([]);
    await clock.advance(minute);
    expect(waitingCount()).toBe(2);
    for (const key of ['1/2026-03-09/a', '1/2026-03-10/a']) {
      shipper.release(key);
      await settled();
    }
    expect(activity.workspaces.get('1')?.waiting).toMatchObject([{ dates: 'older', objectCount: 1 }]);
    shipper.release('1/2024-01-01/a');
    await settled();
    expect(activity.waitingObjects).toMatchObject({ objectCount: 0, sizeBytes: 0, oldestMs: undefined });
  });

  it('includes objects that cannot be read, with the reason and since when, however often they are listed', async () => {
    const bucket = new Bucket(...['a', 'b', 'c', 'd', 'e'].map((name) => `1/2026-03-10/${name}`));
    const { shipper, activity, clock, follow } = setUp(bucket);
    const sinceMs = clock.nowMs();
    shipper.end = denied;
    await follow();
    for (let poll = 0; poll < 4; poll++) {
      await clock.advance(minute);
      expect(activity.waitingObjects).toMatchObject({
        objectCount: 5,
        fault: { code: 'ERR_SOURCE_ACCESS_DENIED' },
        faultSinceMs: sinceMs,
      });
    }
    shipper.end = (id) => (id.endsWith('e') ? denied() : { status: 'settled' });
    await clock.advance(minute);
    expect(activity.waitingObjects).toMatchObject({ objectCount: 1, fault: { message: 'access denied' } });
    shipper.end = () => ({ status: 'settled' });
    await clock.advance(minute);
    expect(activity.waitingObjects).toMatchObject({ objectCount: 0, fault: undefined });
  });

  it('keeps what was left when its workspace cannot be listed, and drops it when the listing no longer shows it', async () => {
    const bucket = new Bucket('1/2026-03-10/a', '2/2026-03-10/a');
    const { shipper, waitingCount, clock, follow } = setUp(bucket);
    shipper.end = denied;
    await follow();
    bucket.failing.add('1');
    await clock.advance(minute);
    expect(waitingCount()).toBe(2);
    bucket.failing.clear();
    bucket.keys.delete('1/2026-03-10/a');
    await clock.advance(minute);
    expect(waitingCount()).toBe(1);
  });

  it('still includes an object when its date leaves the look-back before it could be read', async () => {
    const { shipper, activity, waitingCount, clock, follow } = setUp(new Bucket('1/2026-03-03/a'));
    shipper.end = denied;
    await follow();
    expect(activity.workspaces.get('1')?.waiting).toMatchObject([{ dates: 'recent', objectCount: 1 }]);
    await clock.advance(12 * 60 * minute + minute);
    expect(waitingCount()).toBe(1);
    expect(activity.workspaces.get('1')?.waiting).toMatchObject([{ dates: 'older', objectCount: 1 }]);
    shipper.end = () => ({ status: 'settled' });
    await clock.advance(day);
    expect(waitingCount()).toBe(0);
  });

  it('does not count what left the lookback window while another process sweeps, and would never hear of its end', async () => {
    const { shipper, activity, waitingCount, clock, follow } = setUp(new Bucket('1/2026-03-03/a'));
    shipper.leads = false;
    shipper.end = denied;
    await follow();
    expect(activity.workspaces.get('1')?.waiting).toMatchObject([{ dates: 'recent', objectCount: 1 }]);
    await clock.advance(day);
    await clock.advance(minute); // It asks again who leads.
    expect(waitingCount()).toBe(0);
  });

  it('does not include an object that is gone', async () => {
    const { shipper, waitingCount, follow } = setUp(new Bucket('1/2026-03-10/a'));
    shipper.end = () => ({ status: 'released', error: new AgentError('ERR_OBJECT_GONE', 'gone') });
    await follow();
    expect(waitingCount()).toBe(0);
  });

  it('includes an object that changes at every visit, which is a fault from the third time on', async () => {
    const { shipper, activity, logged, clock, follow } = setUp(new Bucket('1/2026-03-10/a', '1/2026-03-10/b'));
    shipper.end = (id) => (id.endsWith('a') ? changed() : { status: 'settled' });
    await follow();
    await clock.advance(minute);
    expect(activity.waitingObjects).toMatchObject({ objectCount: 1, fault: undefined });
    expect(logged).toEqual([]);
    await clock.advance(minute);
    expect(activity.waitingObjects).toMatchObject({ objectCount: 1, fault: { code: 'ERR_OBJECT_CHANGED' } });
    expect(logged).toMatchObject([
      { fields: { object: '1/2026-03-10/a', err: { message: expect.stringContaining('every previous attempt') } } },
    ]);
    shipper.end = () => ({ status: 'settled' });
    await clock.advance(minute);
    expect(activity.waitingObjects.objectCount).toBe(0);
    shipper.settledIds.clear();
    shipper.end = changed;
    await clock.advance(minute);
    expect(activity.waitingObjects.fault).toBeUndefined();
  });
});

describe('an object that is settled although it could not be read', () => {
  const fault = { status: 'damaged', code: 'ERR_OBJECT_DAMAGED', message: 'cut off' } as const;
  const id = '1/2026-03-10/a' as ObjectId;

  it('is known from the state, until another process has read another version', async () => {
    const { shipper, clock, ready, follow } = setUp(new Bucket(id));
    shipper.settledIds.add(id);
    shipper.faults.set(id, fault);
    await follow();
    expect(shipper.visited).toEqual([]);
    expect(ready()).toMatchObject({
      complete: false,
      status: 'incomplete',
      reason: expect.stringContaining('1 damaged object'),
    });
    shipper.faults.clear();
    await clock.advance(minute);
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
  });

  it('is damaged also if another process found something else wrong with the version before', async () => {
    const { shipper, clock, ready, follow } = setUp(new Bucket(id));
    shipper.settledIds.add(id);
    shipper.faults.set(id, { status: 'settled', code: 'ERR_OBJECT_UNPARSED', message: 'not JSON' });
    await follow();
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
    shipper.faults.set(id, fault);
    await clock.advance(minute);
    expect(ready()).toMatchObject({ complete: false, reason: expect.stringContaining('1 damaged object') });
  });

  it('is not forgotten when the visit was made here and another process reads it', async () => {
    const { shipper, clock, ready, follow } = setUp(new Bucket(id));
    shipper.end = () => {
      shipper.settledIds.add(id);
      shipper.faults.set(id, fault);
      return { status: 'damaged', error: new AgentError(fault.code, fault.message) };
    };
    await follow();
    await clock.advance(minute);
    expect(ready()).toMatchObject({ complete: false, status: 'incomplete' });
    shipper.faults.clear();
    await clock.advance(minute);
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
  });
});

describe('a poll', () => {
  it.each([
    ['cannot be listed', (bucket: Bucket) => void bucket.failing.add('1'), /workspace 1 not listed completely: denied/],
    [
      'is listed in part',
      (bucket: Bucket) => void bucket.partial.set('1', 'pages'),
      /workspace 1 .*: folder not listed/,
    ],
    [
      'is listed in part by a source of its own',
      (bucket: Bucket) => void bucket.partial.set('1', 'request'),
      /folder not/,
    ],
  ])('is not complete while a workspace %s, although the others are shipped', async (_, breakIt, reason) => {
    const bucket = new Bucket('1/2026-03-10/a', '2/2026-03-10/a', '1/2024-01-01/a');
    const { shipper, activity, clock, ready, follow } = setUp(bucket);
    const polledAtMs = () => activity.sources.get(bucket.name)?.completelyPolledAtMs;
    breakIt(bucket);
    await follow();
    await clock.advance(minute);
    expect(shipper.settledIds).toContain('2/2026-03-10/a');
    expect(ready()).toMatchObject({ ok: false, complete: false, reason: expect.stringMatching(reason) });
    expect(polledAtMs()).toBeUndefined();

    bucket.failing.clear();
    bucket.partial.clear();
    await clock.advance(10 * minute);
    expect(ready()).toMatchObject({ ok: true, complete: true, status: 'idle' });
    const completeAtMs = clock.nowMs();
    expect(polledAtMs()).toBe(completeAtMs);

    breakIt(bucket);
    await clock.advance(minute);
    expect(ready()).toMatchObject({ ok: false, complete: false });
    expect(polledAtMs()).toBe(completeAtMs);
  });

  it('is complete again when the workspace that could not be listed no longer exists', async () => {
    const bucket = new Bucket('1/2026-03-10/a', '2/2026-03-10/a');
    bucket.failing.add('1');
    const { clock, ready, follow } = setUp(bucket);
    await follow();
    bucket.keys.delete('1/2026-03-10/a');
    await clock.advance(10 * minute);
    expect(ready()).toMatchObject({ ok: true, complete: true });
  });

  it('does not say that all was shipped before every workspace was listed once, older dates included', async () => {
    const bucket = new Bucket(...['1', '2', '3', '4', '5'].map((workspace) => `${workspace}/2024-01-01/a`));
    const { shipper, ready, follow } = setUp(bucket);
    shipper.hold = (id) => id.startsWith('1/');
    await follow();
    expect(ready()).toMatchObject({ ok: true, complete: false, status: 'shipping' });
    shipper.release('1/2024-01-01/a');
    await settled();
    expect(ready()).toMatchObject({ ok: true, complete: true, status: 'idle' });
  });
});

describe('a queue of notifications', () => {
  const today = '2026-03-10';
  /** Another process ships the large object. */
  const largeElsewhere = (id: string): VisitOutcome =>
    id.endsWith('large') ? { status: 'elsewhere' } : { status: 'settled' };

  it('is not read before the first walk of recent dates has ended, nor while a later one is under way', async () => {
    const queue = new Queue();
    const { shipper, clock, follow } = setUp(new Bucket(`1/${today}/a`), {}, 1, [queue]);
    shipper.hold = () => true;
    await follow();
    expect(queue.requests).toHaveLength(0);
    shipper.release(`1/${today}/a`);
    await settled();
    expect(queue.requests).toMatchObject([{ countMax: 6, dates: { from: undefined, before: undefined } }]);
    shipper.settledIds.clear();
    await clock.advance(minute);
    queue.send(['1', today, 'b']);
    await settled();
    expect(shipper.visited.at(-1)).toBe(`1/${today}/b`);
    shipper.release(`1/${today}/b`);
    await settled();
    expect(queue.requests, 'the walk still ships a').toHaveLength(1);
    shipper.release(`1/${today}/a`);
    await settled();
    expect(queue.requests).toHaveLength(2);
  });

  it('is asked for as many messages as there are places', async () => {
    const queue = new Queue();
    const { shipper, follow } = setUp(new Bucket(), { startDate: '2026-01-01' }, 1, [queue]);
    shipper.hold = () => true;
    await follow();
    queue.send(['1', today, 'a'], ['2', today, 'b'], ['3', today, 'c'], ['4', today, 'd']);
    await settled();
    expect(queue.requests.map(({ countMax }) => countMax)).toEqual([6, 2]);
    expect(queue.requests[0]?.dates.from).toBe('2026-01-01');
    queue.send(['5', today, 'e'], ['6', today, 'f']);
    await settled();
    expect(queue.requests).toHaveLength(2);
    shipper.release(`1/${today}/a`);
    await settled();
    expect(queue.requests.map(({ countMax }) => countMax)).toEqual([6, 2, 1]);
    expect(queue.outcomes).toEqual(['settled']);
  });

  it('gets a message back whose object is being visited, and a listing waits for the visit of a notification', async () => {
    const queue = new Queue();
    const bucket = new Bucket();
    const { shipper, clock, activity, follow } = setUp(bucket, {}, 1, [queue]);
    shipper.hold = (id) => id.endsWith('a');
    await follow();
    queue.send(['1', today, 'a']);
    await settled();
    queue.send(['1', today, 'a']);
    await settled();
    expect(queue.outcomes).toEqual(['elsewhere']);
    bucket.keys.add(`1/${today}/a`);
    await clock.advance(minute);
    expect(shipper.visited).toEqual([`1/${today}/a`]);
    shipper.hold = undefined;
    shipper.end = () => ({ status: 'unchanged' });
    shipper.release(`1/${today}/a`);
    await clock.advance(2_000);
    expect(shipper.visited).toHaveLength(2);
    expect(bucket.outcomes.get(`1/${today}/a`)).toEqual(['unchanged']);
    expect(activity.sources.get('s3://audit')?.found).toMatchObject({ notification: 0, listing: 0 });
  });

  it('is read while a listing waits for an object that another process holds, and only later dates of its workspace wait', async () => {
    const queue = new Queue();
    const bucket = new Bucket('1/2026-03-09/large', '2/2026-03-09/a');
    const { shipper, clock, follow } = setUp(bucket, {}, 1, [queue]);
    shipper.end = largeElsewhere;
    await follow();
    expect(queue.requests).toHaveLength(1);
    queue.send(['1', today, 'a'], ['1', '2026-03-09', 'a'], ['2', today, 'a']);
    await settled();
    expect(queue.outcomes).toEqual(['elsewhere', 'settled', 'settled']);
    expect(shipper.visited).not.toContain(`1/${today}/a`);
    shipper.settledIds.add('1/2026-03-09/large');
    await clock.advance(2_000);
    queue.send(['1', today, 'a']);
    await settled();
    expect(queue.outcomes.at(-1)).toBe('settled');
    expect(shipper.visited.filter((id) => id.endsWith('large'))).toHaveLength(1);
  });

  it('is not read while a listing goes on after such a wait', async () => {
    const queue = new Queue();
    const { shipper, clock, follow } = setUp(new Bucket('1/2026-03-09/large', `1/${today}/a`), {}, 1, [queue]);
    shipper.hold = (id) => id.endsWith('a');
    shipper.end = largeElsewhere;
    await follow();
    shipper.settledIds.add('1/2026-03-09/large');
    await clock.advance(2_000);
    expect(shipper.visited.at(-1)).toBe(`1/${today}/a`);
    queue.send(['2', today, 'b']);
    await settled();
    expect(shipper.visited.at(-1)).toBe(`2/${today}/b`);
    expect(queue.requests, 'the walk ships a').toHaveLength(1);
    shipper.release(`1/${today}/a`);
    await settled();
    expect(queue.requests).toHaveLength(2);
  });

  it('is read while a listing waits for the visit of a notification', async () => {
    const queue = new Queue();
    const bucket = new Bucket();
    const { shipper, clock, follow } = setUp(bucket, {}, 1, [queue]);
    shipper.hold = (id) => id.endsWith('large');
    await follow();
    queue.send(['1', '2026-03-09', 'large']);
    await settled();
    bucket.keys.add('1/2026-03-09/large');
    await clock.advance(minute);
    queue.send(['2', today, 'a']);
    await settled();
    queue.send(['1', today, 'b']);
    await settled();
    expect(shipper.visited).toEqual(['1/2026-03-09/large', `2/${today}/a`]);
    expect(queue.outcomes).toEqual(['settled', 'elsewhere']);
  });

  it('offers no later date while an object is held elsewhere, from one poll to the next', async () => {
    const queue = new Queue();
    const bucket = new Bucket('1/2026-03-09/large');
    bucket.pollIntervalMs = 15 * minute;
    const { shipper, clock, follow } = setUp(bucket, {}, 1, [queue]);
    shipper.end = largeElsewhere;
    await follow();
    for (let second = 0; second < 45 * 60; second += 10) {
      queue.send(['1', today, 'a']);
      await clock.advance(10_000);
    }
    expect(new Set(queue.outcomes)).toEqual(new Set(['elsewhere']));
    shipper.settledIds.add('1/2026-03-09/large');
    await clock.advance(30_000);
    queue.send(['1', today, 'a']);
    await settled();
    expect(queue.outcomes.at(-1)).toBe('settled');
  });

  it('that fails is asked again, later each time, and stops nothing', async () => {
    const queue = new Queue();
    queue.failure = new AgentError('ERR_QUEUE_READ', 'denied');
    const bucket = new Bucket();
    const { shipper, clock, logged, follow } = setUp(bucket, {}, 1, [queue]);
    await follow();
    expect(queue.requests).toHaveLength(1);
    await clock.advance(1_000);
    expect(queue.requests).toHaveLength(2);
    await clock.advance(1_000);
    expect(queue.requests).toHaveLength(2);
    await clock.advance(1_000);
    expect(queue.requests).toHaveLength(3);
    bucket.keys.add(`1/${today}/a`);
    await clock.advance(minute);
    expect(shipper.visited).toEqual([`1/${today}/a`]);
    expect(logged.filter(({ message }) => message.startsWith('No notifications'))).toHaveLength(1);
    queue.failure = undefined;
    await clock.advance(minute);
    queue.send(['2', today, 'b']);
    await settled();
    expect(shipper.visited.at(-1)).toBe(`2/${today}/b`);
  });
});
