import { expect, test } from 'vitest';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { OutageWatch } from '../../src/export/outage-watch.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { leapingClock } from './fixtures.ts';

const minuteMs = 60_000;

function scene() {
  const clock = leapingClock();
  const [lasting, events] = [[] as number[], [] as AgentEvent[]];
  const watch = new OutageWatch(
    clock,
    silentLogger,
    (event) => events.push(event),
    () => lasting.push(clock.timeMs),
  );
  const fail = (afterMs: number) => {
    clock.timeMs += afterMs;
    const error = new AgentError('ERR_EXPORT_UNAVAILABLE', 'down');
    watch.failed({ status: 'unavailable', error, retryAtMs: clock.timeMs + 1000 });
  };
  return { clock, watch, lasting, events, fail };
}

test('an outage is a lasting one when nothing was accepted for two minutes', () => {
  const { watch, lasting, fail } = scene();
  for (let attempt = 0; attempt < 4; attempt++) fail(minuteMs / 2);
  expect(lasting).toHaveLength(0);
  fail(minuteMs / 2);
  expect(lasting).toHaveLength(1);
  watch.answered();
  for (let attempt = 0; attempt < 10; attempt++) {
    fail(minuteMs);
    watch.answered();
  }
  expect(lasting).toHaveLength(1);
});

test('an outage is also a lasting one if the clock was set back during it', () => {
  const { lasting, fail } = scene();
  fail(0);
  fail(-60 * minuteMs);
  expect(lasting).toHaveLength(1);
});

test('an answer to an empty request ends the wait, and the next attempt that fails continues the outage', () => {
  const { clock, watch, lasting, events, fail } = scene();
  const sinceMs = clock.timeMs;
  fail(0);
  fail(3 * minuteMs);
  watch.probed();
  expect(events.at(-1)).toEqual({ kind: 'resumed', for: 'collector' });
  fail(1000);
  expect(lasting).toHaveLength(2);
  expect(events.at(-1)).toMatchObject({ kind: 'waiting', sinceMs, failedAttempts: 3 });
});

test('an attempt that fails long after an answer to an empty request begins another outage', () => {
  const { clock, watch, lasting, events, fail } = scene();
  fail(0);
  fail(3 * minuteMs);
  watch.probed();
  fail(60 * minuteMs);
  expect(lasting).toHaveLength(1);
  expect(events.at(-1)).toMatchObject({ kind: 'waiting', sinceMs: clock.timeMs, failedAttempts: 1 });
  fail(3 * minuteMs);
  expect(lasting).toHaveLength(2);
});
