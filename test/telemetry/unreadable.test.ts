/**
 * How health and the live page name objects that an earlier process could not read.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { Activity } from '../../src/telemetry/activity.ts';
import { readiness } from '../../src/telemetry/health.ts';
import { takeSnapshot } from '../../src/telemetry/snapshot.ts';
import { listingEnded, settledFaultKnown, sourceName, startMs } from './events.ts';

let activity: Activity;

beforeEach(() => {
  activity = new Activity([sourceName], [], () => startMs);
  activity.observe(listingEnded());
});

describe('the check of unreadable objects', () => {
  const check = () => readiness(activity, undefined, startMs).checks.find(({ name }) => name === 'unreadable');

  it('names the first object that is not shipped whole, its code and what to do, and leaves the agent ready', () => {
    expect(check()).toEqual({ name: 'unreadable', ok: true, message: 'none' });
    activity.observe(settledFaultKnown('s3://audit/a.json', 'damaged', 'ERR_OBJECT_FORMAT'));
    expect(check()).toEqual({
      name: 'unreadable',
      ok: true,
      message: '1 damaged object not readable to the end: s3://audit/a.json (ERR_OBJECT_FORMAT)',
      hint: expect.stringMatching(/^Deliver the object again/),
    });
    expect(readiness(activity, undefined, startMs)).toMatchObject({ ok: true, complete: false });
  });

  it('names an object that is not shipped whole rather than one that was shipped as unparsed records', () => {
    activity.observe(settledFaultKnown('b', 'settled', 'ERR_OBJECT_UNPARSED'));
    expect(check()?.message).toBe('1 object shipped as unparsed records: b (ERR_OBJECT_UNPARSED)');
    activity.observe(settledFaultKnown('a\n', 'damaged', 'ERR_OBJECT_DAMAGED'));
    expect(check()?.message).toBe(
      '1 damaged object not readable to the end; 1 object shipped as unparsed records: a\\u{a} (ERR_OBJECT_DAMAGED) and others',
    );
    activity.observe(settledFaultKnown('a\n', 'damaged', undefined));
    expect(check()?.message).toBe('1 object shipped as unparsed records: b (ERR_OBJECT_UNPARSED)');
  });
});

it('the live page counts damaged objects by workspace, and unreadable ones by code with one of each', () => {
  activity.observe(settledFaultKnown('a', 'damaged', 'ERR_OBJECT_FORMAT', '7'));
  activity.observe(settledFaultKnown('b', 'damaged', 'ERR_OBJECT_FORMAT', '8'));
  activity.observe(settledFaultKnown('c', 'settled', 'ERR_OBJECT_FORMAT', '8'));
  const snapshot = takeSnapshot({
    activity,
    history: [],
    nowMs: startMs,
    startedAtMs: startMs,
    stateBytes: undefined,
    residentBytes: 0,
    settings: [],
  });
  expect(snapshot.workspaces).toMatchObject([
    { id: '7', damaged: 1 },
    { id: '8', damaged: 1 },
  ]);
  expect(snapshot.unreadable).toEqual([
    { code: 'ERR_OBJECT_FORMAT', count: 3, object: 'a', hint: expect.stringMatching(/^Deliver the object again/) },
  ]);
  expect(snapshot.faults).toEqual([]);
});
