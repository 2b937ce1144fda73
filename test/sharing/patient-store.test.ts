import { expect, onTestFinished, test } from 'vitest';
import type { AgentEvent, Waiting } from '../../src/contracts/observer.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { PatientStore } from '../../src/sharing/patient-store.ts';
import type { BatchItem } from '../../src/sharing/store.ts';
import { Activity } from '../../src/telemetry/activity.ts';
import { readiness } from '../../src/telemetry/health.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { ModelStore } from '../support/model-store.ts';
import { ScriptedStore } from '../support/scripted-store.ts';

const never = new AbortController().signal;
const key = { partition: 'o#object', sort: 'h' };

function setUp<Store extends ModelStore>(store: Store) {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const closing = new AbortController();
  onTestFinished(() => closing.abort(new Error('closed')));
  const events: AgentEvent[] = [];
  const log: string[] = [];
  const note = (_: object, message: string) => void log.push(message);
  const logger: Logger = { debug: note, info: note, warn: note, error: note };
  let writeCount = 0;
  const observe = (event: AgentEvent) => void events.push(event);
  const newId = () => `write ${++writeCount}`;
  const patient = new PatientStore(store, { clock, logger, observe, newId, closing: closing.signal });
  const waits = () => events.filter((event): event is Waiting => event.kind === 'waiting');
  return { patient, store, clock, events, log, waits };
}

test('while writes fail, reads that are answered do not end the outage, so the agent is not ready after a minute', async () => {
  const { patient, store, clock, events, log, waits } = setUp(new ScriptedStore());
  const activity = new Activity([], [], () => clock.nowMs());
  store.fault = (method) => (method === 'compareAndSet' ? 'before' : undefined);
  const startMs = clock.nowMs();
  const writing = patient.write(key, undefined, '{}', never);
  await settled();
  for (let seconds = 0; seconds < 70; seconds += 5) {
    await clock.advance(5_000);
    await patient.readMany([key], never);
    await patient.read(key, never);
  }
  expect(new Set(waits().map(({ sinceMs }) => sinceMs))).toEqual(new Set([startMs]));
  expect(log).toEqual(['State is not available; shipping pauses']);
  for (const event of events) activity.observe(event);
  expect(readiness(activity, undefined, clock.nowMs()).checks).toContainEqual(
    expect.objectContaining({ name: 'state', ok: false }),
  );
  store.fault = () => undefined;
  await clock.advance(15_000);
  expect(await writing).toMatchObject({ status: 'written' });
  expect(events.at(-1)).toEqual({ kind: 'resumed', for: 'state' });
  expect(log).toEqual(['State is not available; shipping pauses', 'State is available again; shipping resumes']);
});

test('an outage lasts as long as the call that waits longest, not from the first of many that failed one after the other', async () => {
  const { patient, store, clock, events, waits } = setUp(new ScriptedStore());
  const failing = new Set(['putBatchItem', 'read']);
  store.fault = (method) => (failing.has(method) ? 'before' : undefined);
  const startMs = clock.nowMs();
  const first = patient.put({ key, content: new Uint8Array(), expiresAtMs: undefined }, never);
  await settled();
  await clock.advance(100);
  const second = patient.read(key, never);
  await settled();
  expect(waits().map(({ sinceMs }) => sinceMs - startMs)).toEqual([0, 0]);
  failing.delete('putBatchItem');
  await clock.advance(300);
  await first;
  expect(events).not.toContainEqual({ kind: 'resumed', for: 'state' });
  await clock.advance(100);
  expect(waits().map(({ sinceMs }) => sinceMs - startMs)).toEqual([0, 0, 100]);
  failing.delete('read');
  await clock.advance(15_000);
  await second;
  expect(events.at(-1)).toEqual({ kind: 'resumed', for: 'state' });
});

test('nobody waits for the state once the only call that failed was given up, and the log does not say that it is available', async () => {
  const { patient, store, events, log } = setUp(new ScriptedStore());
  store.fault = () => 'before';
  const stop = new AbortController();
  const reading = patient.read(key, stop.signal);
  await settled();
  stop.abort(new Error('given up'));
  await expect(reading).rejects.toThrow('given up');
  expect(events.at(-1)).toEqual({ kind: 'resumed', for: 'state' });
  expect(log).toEqual(['State is not available; shipping pauses']);
});

test('batch items are read page by page, and after a failure from where it was', async () => {
  let pageCount = 0;
  class Interrupted extends ModelStore {
    override async *batchItems(...call: Parameters<ModelStore['batchItems']>): AsyncIterable<readonly BatchItem[]> {
      for await (const page of super.batchItems(...call)) {
        if (++pageCount === 3) throw new AgentError('ERR_STATE_UNAVAILABLE', 'The store is throttled');
        yield page;
      }
    }
  }
  const { patient, clock } = setUp(new Interrupted());
  const sorts = Array.from({ length: 10 }, (_, number) => `b#${number}`);
  for (const sort of sorts)
    await patient.put({ key: { ...key, sort }, content: new Uint8Array(), expiresAtMs: undefined }, never);
  const found: string[] = [];
  const reading = (async () => {
    for await (const page of patient.batchItems(key.partition, { from: 'b#', before: 'b$' }, never))
      found.push(...page.map((item) => item.key.sort));
  })();
  await settled();
  expect(found).toEqual(sorts.slice(0, 6));
  await clock.advance(1_000);
  await reading;
  expect(found).toEqual(sorts);
});
