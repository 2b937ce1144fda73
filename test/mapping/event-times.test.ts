import { expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const hour = 3_600_000;
const observedAtMs = Date.parse('2026-01-31T12:00:00Z');

function timesOf(lateAfterMs: number | undefined, eventsBeforeMs: readonly number[]) {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {}, lateAfterMs });
  const encoder = mapper.createEncoder('protobuf');
  for (const beforeMs of eventsBeforeMs) {
    encoder.append(identifiedLine(JSON.stringify({ timestamp: observedAtMs - beforeMs }), { observedAtMs }));
  }
  encoder.append(identifiedLine('no json', { observedAtMs }));
  const times = encoder.eventTimes;
  encoder.finish();
  expect(encoder.eventTimes).toBeUndefined();
  return times;
}

it('tells the oldest and the newest event of a batch, and how many were delivered late', () => {
  const events = [2 * hour, 30 * hour, hour, 25 * hour, 24 * hour];
  expect(timesOf(24 * hour, events)).toEqual({
    oldestMs: observedAtMs - 30 * hour,
    newestMs: observedAtMs - hour,
    lateCount: 2,
  });
  expect(timesOf(undefined, events)?.lateCount).toBe(0);
  expect(timesOf(24 * hour, [])).toBeUndefined();
});
