/**
 * When the agent is alive and ready, and the reasons that it reports.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Activity } from '../../src/telemetry/activity.ts';
import { CollectorWatch } from '../../src/telemetry/collector-watch.ts';
import { type CollectorAnswer, liveness, readiness } from '../../src/telemetry/health.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  linesRead,
  listingEnded,
  objectsWaiting,
  objectVisited,
  requestEnded,
  sourceName,
  startMs,
  unavailable,
  waiting,
} from './events.ts';

const damage = { code: 'ERR_OBJECT_DAMAGED', message: 'cut off', hint: undefined } as const;
const [minute, hour] = [60_000, 3_600_000];
let clock: ManualClock;
let activity: Activity;

beforeEach(() => {
  clock = new ManualClock('2026-03-10T12:00:00Z');
  activity = new Activity([sourceName, '/deliveries'], [], () => clock.nowMs());
});

const alive = () => liveness(activity, minute, clock.nowMs());
const ready = (answer?: CollectorAnswer) => readiness(activity, answer, clock.nowMs());

function listAll() {
  for (const source of [sourceName, '/deliveries']) activity.observe(listingEnded(undefined, source));
}

describe('readiness', () => {
  it('requires a first listing of every source', () => {
    expect(ready()).toMatchObject({ ok: false, status: 'starting', reason: 'source s3://audit: not listed yet' });
    activity.observe(listingEnded());
    expect(ready()).toMatchObject({ ok: false, status: 'starting', reason: 'source /deliveries: not listed yet' });
    listAll();
    expect(ready()).toMatchObject({ ok: true });
  });

  it('includes an idle agent, which says so', () => {
    listAll();
    expect(ready()).toMatchObject({ ok: true, status: 'idle', reason: 'Everything that was listed has been shipped' });
    activity.observe(linesRead(12));
    expect(ready()).toMatchObject({ ok: true, status: 'shipping', reason: '12 lines in flight' });
  });

  it('is lost while a source cannot be listed', () => {
    listAll();
    activity.observe(
      listingEnded({ code: 'ERR_SOURCE_ACCESS_DENIED', message: 'access denied', hint: 'Allow s3:ListBucket' }),
    );
    expect(ready()).toMatchObject({ ok: false, status: 'waiting', reason: 'source s3://audit: access denied' });
    expect(ready().checks[0]).toMatchObject({ ok: false, hint: 'Allow s3:ListBucket' });
    listAll();
    expect(ready().ok).toBe(true);
  });

  it('includes an agent whose bucket has no deliveries yet', () => {
    listAll();
    activity.observe(listingEnded({ code: 'ERR_SOURCE_EMPTY', message: 'nothing there yet', hint: undefined }));
    expect(ready()).toMatchObject({
      ok: true,
      checks: [{ message: 'nothing there yet; waiting for the first delivery' }, {}, {}, {}, {}, {}, {}],
    });
  });

  it('is lost when the location holds something but no delivery', () => {
    listAll();
    const hint = 'Try DATABRICKS_AUDIT_SOURCE=s3://audit/logs';
    activity.observe(listingEnded({ code: 'ERR_SOURCE_NO_DELIVERIES', message: 'Found no deliveries', hint }));
    expect(ready()).toMatchObject({
      ok: false,
      reason: 'source s3://audit: Found no deliveries',
      checks: [{ hint }, {}, {}, {}, {}, {}, {}],
    });
  });

  it('says that it waits for the first delivery when every source is empty', () => {
    const empty = { code: 'ERR_SOURCE_EMPTY', message: 'nothing there yet', hint: undefined } as const;
    for (const source of [sourceName, '/deliveries']) activity.observe(listingEnded(empty, source));
    expect(ready()).toMatchObject({
      ok: true,
      status: 'idle',
      reason: 'Nothing has been delivered yet; waiting for the first delivery',
    });
  });

  it('survives the first minute of an outage, and returns with the collector', async () => {
    listAll();
    activity.observe(waiting(startMs));
    await clock.advance(minute);
    expect(ready()).toMatchObject({ ok: true, status: 'waiting', reason: unavailable.message });
    await clock.advance(1);
    expect(ready()).toMatchObject({
      ok: false,
      status: 'waiting',
      reason: expect.stringContaining('ECONNREFUSED (for 60 s)'),
    });
    activity.observe({ kind: 'resumed', for: 'collector' });
    expect(ready().ok).toBe(true);
  });

  it('is lost while the state or dead letters cannot be written', async () => {
    listAll();
    for (const what of ['state', 'deadLetterFile'] as const) {
      const fault = { code: 'ERR_STATE_WRITE', message: 'no space left', hint: 'Free space' } as const;
      activity.observe({ kind: 'waiting', for: what, fault, sinceMs: 0, failedAttempts: 1, retryAtMs: 0 });
      expect(ready()).toMatchObject({ ok: false, reason: expect.stringContaining('no space left') });
      activity.observe({ kind: 'resumed', for: what });
    }
    expect(ready().ok).toBe(true);
  });

  it('never says that everything was shipped while something that was listed is not', async () => {
    listAll();
    activity.observe(objectsWaiting({}));
    expect(ready()).toMatchObject({
      ok: true,
      complete: false,
      status: 'shipping',
      reason: '2 listed objects not shipped',
    });
    const fault = { code: 'ERR_SOURCE_THROTTLED', message: 'slow down', hint: 'Nothing to do' } as const;
    activity.observe(objectsWaiting({ fault, faultSinceMs: clock.nowMs() }));
    expect(ready()).toMatchObject({ ok: true, complete: false, status: 'incomplete' });
    await clock.advance(minute + 1);
    expect(ready()).toMatchObject({
      ok: false,
      complete: false,
      reason: 'objects: 2 listed objects not shipped: slow down (for 60 s)',
    });
    activity.observe(objectsWaiting({ objectCount: 0 }));
    expect(ready()).toMatchObject({ ok: true, complete: true, status: 'idle' });
    const denied = { code: 'ERR_SOURCE_ACCESS_DENIED', message: 'denied', hint: 'Allow it' } as const;
    activity.observe(objectsWaiting({ objectCount: 1, fault: denied, faultSinceMs: clock.nowMs() }));
    expect(ready()).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^objects: 1 listed object not shipped/),
    });
    activity.observe(objectsWaiting({ objectCount: 0 }));
    activity.observe(objectVisited('damaged', damage));
    expect(ready()).toMatchObject({
      complete: false,
      status: 'incomplete',
      reason: expect.stringContaining('damaged'),
    });
    activity.observe(objectVisited('settled'));
    expect(ready()).toMatchObject({ complete: true, status: 'idle' });
  });

  it('reports the response of a collector that was probed because there was nothing to send', () => {
    listAll();
    expect(ready({ ok: false, message: 'connection refused', hint: 'Start it' })).toMatchObject({
      ok: false,
      reason: 'collector: connection refused',
    });
  });
});

describe('liveness', () => {
  it('includes an agent that waits for the collector or is idle', async () => {
    activity.observe(waiting(startMs));
    await clock.advance(30 * minute);
    expect(alive()).toMatchObject({ ok: true, status: 'waiting' });
  });

  it('is lost after an hour and two poll intervals without progress', async () => {
    listAll();
    await clock.advance(hour + 2 * minute);
    expect(alive().ok).toBe(true);
    await clock.advance(1);
    expect(alive()).toMatchObject({
      ok: false,
      status: 'stuck',
      reason: expect.stringContaining('No progress for 62 min'),
    });
    activity.observe(listingEnded());
    expect(alive().ok).toBe(true);
  });
});

describe('the collector probe', () => {
  function setUp() {
    let askedCount = 0;
    const watch = new CollectorWatch(
      async () => ({ answer: { ok: false, message: `no ${++askedCount}`, hint: undefined } }),
      clock,
    );
    return { watch, asked: () => askedCount };
  }

  it('runs after a minute without a response, and at most once every fifteen seconds', async () => {
    const { watch, asked } = setUp();
    const first = await Promise.all([watch.answer(activity), watch.answer(activity)]);
    expect(first).toMatchObject([{ message: 'no 1' }, { message: 'no 1' }]);
    await clock.advance(14_999);
    await watch.answer(activity);
    expect(asked()).toBe(1);
    await clock.advance(1);
    expect(await watch.answer(activity)).toMatchObject({ message: 'no 2' });
  });

  it('is no fault if only the empty request is refused: records were accepted with the same settings', async () => {
    const refused = { ok: false, message: 'HTTP 400: no', hint: 'Check the headers.' };
    const ask = async () => ({ answer: refused, rejectsEmpty: true as const });
    expect(await new CollectorWatch(ask, clock).answer(activity)).toEqual(refused);
    activity.observe(requestEnded('accepted', 200));
    await clock.advance(minute);
    expect(await new CollectorWatch(ask, clock).answer(activity)).toMatchObject({ ok: true, message: refused.message });
    const down = async () => ({ answer: refused });
    expect(await new CollectorWatch(down, clock).answer(activity)).toEqual(refused);
  });

  it('does not run while requests show the state of the collector', async () => {
    const { watch, asked } = setUp();
    activity.observe(requestEnded('rejected', 400));
    expect(await watch.answer(activity)).toBeUndefined();
    await clock.advance(minute);
    activity.observe(waiting(clock.nowMs()));
    expect(await watch.answer(activity)).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('reports a broken connection as the result', async () => {
    const watch = new CollectorWatch(() => Promise.reject(new Error('socket hang up')), clock);
    expect(await watch.answer(activity)).toMatchObject({
      ok: false,
      message: expect.stringContaining('socket hang up'),
    });
  });
});
