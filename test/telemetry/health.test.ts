/**
 * What alive and ready mean, and the reasons that are given.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Activity } from '../../src/telemetry/activity.ts';
import { CollectorWatch } from '../../src/telemetry/collector-watch.ts';
import { type CollectorAnswer, liveness, readiness } from '../../src/telemetry/health.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { linesRead, listingEnded, requestEnded, sourceName, startMs, unavailable, waiting } from './events.ts';

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

describe('ready', () => {
  it('needs a first listing of every source', () => {
    expect(ready()).toMatchObject({ ok: false, status: 'starting', reason: 'source s3://audit: not listed yet' });
    activity.observe(listingEnded());
    expect(ready()).toMatchObject({ ok: false, status: 'starting', reason: 'source /deliveries: not listed yet' });
    listAll();
    expect(ready()).toMatchObject({ ok: true });
  });

  it('is the agent that has nothing to do, and it says so', () => {
    listAll();
    expect(ready()).toMatchObject({ ok: true, status: 'idle', reason: expect.stringContaining('nothing to do') });
    activity.observe(linesRead(12));
    expect(ready()).toMatchObject({ ok: true, status: 'shipping', reason: '12 lines are in flight' });
  });

  it('is not the agent whose source cannot be listed any more, until it can', () => {
    listAll();
    activity.observe(
      listingEnded({ code: 'ERR_SOURCE_ACCESS_DENIED', message: 'access denied', hint: 'Allow s3:ListBucket' }),
    );
    expect(ready()).toMatchObject({ ok: false, status: 'waiting', reason: 'source s3://audit: access denied' });
    expect(ready().checks[0]).toMatchObject({ ok: false, hint: 'Allow s3:ListBucket' });
    listAll();
    expect(ready().ok).toBe(true);
  });

  it('is the agent whose bucket holds no deliveries yet: that is nothing to do', () => {
    listAll();
    activity.observe(listingEnded({ code: 'ERR_SOURCE_LAYOUT', message: 'nothing there yet', hint: undefined }));
    expect(ready()).toMatchObject({ ok: true, checks: [{ message: 'nothing there yet' }, {}, {}, {}, {}] });
  });

  it('stays for the first minute of an outage, and comes back with the collector', async () => {
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

  it('is not the agent that cannot write its state or its dead letters', async () => {
    listAll();
    for (const what of ['state', 'deadLetterFile'] as const) {
      const fault = { code: 'ERR_STATE_WRITE', message: 'no space left', hint: 'Free space' } as const;
      activity.observe({ kind: 'waiting', for: what, fault, sinceMs: 0, failedAttempts: 1, retryAtMs: 0 });
      expect(ready()).toMatchObject({ ok: false, reason: expect.stringContaining('no space left') });
      activity.observe({ kind: 'resumed', for: what });
    }
    expect(ready().ok).toBe(true);
  });

  it('says what a collector answers that was asked because there was nothing to send', () => {
    listAll();
    expect(ready({ ok: false, message: 'connection refused', hint: 'Start it' })).toMatchObject({
      ok: false,
      reason: 'collector: connection refused',
    });
  });
});

describe('alive', () => {
  it('is the agent that waits for the collector or has nothing to do', async () => {
    activity.observe(waiting(startMs));
    await clock.advance(30 * minute);
    expect(alive()).toMatchObject({ ok: true, status: 'waiting' });
  });

  it('is not the agent in which nothing has moved for an hour and two polls', async () => {
    listAll();
    await clock.advance(hour + 2 * minute);
    expect(alive().ok).toBe(true);
    await clock.advance(1);
    expect(alive()).toMatchObject({ ok: false, status: 'stuck', reason: expect.stringContaining('Nothing has moved') });
    activity.observe(listingEnded());
    expect(alive().ok).toBe(true);
  });
});

describe('the collector', () => {
  function setUp() {
    let askedCount = 0;
    const watch = new CollectorWatch(
      async () => ({ ok: false, message: `no ${++askedCount}`, hint: undefined }),
      clock,
    );
    return { watch, asked: () => askedCount };
  }

  it('is asked when it has said nothing for a minute, and at most once in fifteen seconds', async () => {
    const { watch, asked } = setUp();
    const first = await Promise.all([watch.answer(activity), watch.answer(activity)]);
    expect(first).toMatchObject([{ message: 'no 1' }, { message: 'no 1' }]);
    await clock.advance(14_999);
    await watch.answer(activity);
    expect(asked()).toBe(1);
    await clock.advance(1);
    expect(await watch.answer(activity)).toMatchObject({ message: 'no 2' });
  });

  it('is not asked while requests tell how it is', async () => {
    const { watch, asked } = setUp();
    activity.observe(requestEnded('rejected', 400));
    expect(await watch.answer(activity)).toBeUndefined();
    await clock.advance(minute);
    activity.observe(waiting(clock.nowMs()));
    expect(await watch.answer(activity)).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('that breaks the connection is an answer too', async () => {
    const watch = new CollectorWatch(() => Promise.reject(new Error('socket hang up')), clock);
    expect(await watch.answer(activity)).toMatchObject({
      ok: false,
      message: expect.stringContaining('socket hang up'),
    });
  });
});
