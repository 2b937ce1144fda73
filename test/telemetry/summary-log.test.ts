import { expect, it, onTestFinished } from 'vitest';
import { Activity } from '../../src/telemetry/activity.ts';
import { History } from '../../src/telemetry/history.ts';
import { SummaryLog } from '../../src/telemetry/summary-log.ts';
import { rememberingLogger } from '../export/fixtures.ts';
import { ManualClock } from '../support/manual-clock.ts';
import {
  batchEnded,
  httpResponse,
  linesRead,
  listingEnded,
  objectsWaiting,
  objectVisited,
  sourceName,
  unavailable,
  waiting,
} from './events.ts';

const [minute, hour] = [60_000, 3_600_000];

function setUp() {
  const clock = new ManualClock('2026-03-10T12:00:00Z');
  const logger = rememberingLogger();
  let activity = new Activity([sourceName], [], () => clock.nowMs());
  const stop = new AbortController();
  const history = new History(clock.nowMs());
  onTestFinished(() => stop.abort());
  void new SummaryLog(clock, logger).follow(() => activity, history, stop.signal);
  const ship = (lines: number) => {
    activity.observe(linesRead(lines));
    activity.observe(batchEnded(lines));
    activity.observe(objectVisited('settled'));
  };
  const startNewAgent = () => {
    activity = new Activity([sourceName], [], () => clock.nowMs());
  };
  return { clock, ship, startNewAgent, activity: () => activity, log: logger.lines, history };
}

it('says once a minute what was shipped, however often that happens', async () => {
  const { clock, ship, activity, log } = setUp();
  activity().countedDeadLetters([{ response: httpResponse(400), reason: 'no', count: 2 }]);
  for (let second = 0; second < 120; second++) {
    ship(10);
    await clock.advance(1000);
  }
  expect(log).toEqual([
    {
      level: 'info',
      message: 'Shipped',
      fields: { lines: 600, objects: 60, lag_s: 119, dead_letters: 2, waiting_objects: 0, waiting_bytes: 0 },
    },
    { level: 'info', message: 'Shipped', fields: expect.objectContaining({ lines: 600, objects: 60 }) },
  ]);
});

it('says once an hour that there is nothing new', async () => {
  const { clock, activity, log } = setUp();
  activity().observe(listingEnded());
  for (let passed = 0; passed < 3 * hour; passed += minute) await clock.advance(minute);
  expect(log.map(({ message }) => message)).toEqual(Array(3).fill('Nothing new to ship'));
});

it('does not say that there is nothing new while objects wait, but what they wait for', async () => {
  const { clock, activity, log } = setUp();
  activity().observe(listingEnded());
  activity().observe(objectsWaiting({ objectCount: 500, sizeBytes: 5_000 }));
  activity().observe(waiting());
  await clock.advance(hour);
  activity().observe({ kind: 'resumed', for: 'collector' });
  await clock.advance(hour);
  activity().observe(objectsWaiting({ objectCount: 0, sizeBytes: 0, oldestMs: undefined }));
  await clock.advance(hour);
  expect(log).toMatchObject([
    {
      level: 'warn',
      message: 'Waiting for the collector',
      fields: { waiting_objects: 500, waiting_bytes: 5_000, reason: unavailable.message },
    },
    { level: 'warn', message: 'Not everything is shipped', fields: { reason: '500 listed objects not shipped' } },
    { level: 'info', message: 'Nothing new to ship', fields: { waiting_objects: 0 } },
  ]);
});

it('does not say that there is nothing new before anything was listed', async () => {
  const { clock, log } = setUp();
  await clock.advance(hour);
  expect(log).toMatchObject([
    { message: 'Not everything is shipped', fields: { reason: 'The first listing is in progress' } },
  ]);
});

it('counts on when a new agent takes the place of the old one', async () => {
  const { clock, ship, startNewAgent, log } = setUp();
  ship(100);
  await clock.advance(minute);
  startNewAgent();
  ship(7);
  await clock.advance(minute);
  expect(log).toMatchObject([{ fields: { lines: 100 } }, { fields: { lines: 7 } }]);
});

it('keeps throughput, lag and backlog of the last six hours, in intervals of five minutes', async () => {
  const { clock, ship, history } = setUp();
  ship(100);
  for (let passed = 0; passed < 10 * minute; passed += minute) await clock.advance(minute);
  expect(history.points).toEqual([
    { atMs: clock.nowMs() - 5 * minute, lines: 100, lagMs: 60_000, waitingObjects: 0 },
    { atMs: clock.nowMs(), lines: 0, lagMs: undefined, waitingObjects: 0 },
  ]);
  for (let passed = 0; passed < 8 * hour; passed += minute) await clock.advance(minute);
  expect(history.points).toHaveLength(72);
});
