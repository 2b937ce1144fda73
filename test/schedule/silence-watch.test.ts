import { expect, it } from 'vitest';
import type { AlertEvent } from '../../src/contracts/mapper.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { type OpenState, openDeliveryState } from '../../src/delivery/index.ts';
import { startOfObject } from '../../src/pipeline/prefix-digest.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { SilenceWatch } from '../../src/schedule/silence-watch.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';
import { fc } from '../support/property-tests.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const hour = 3_600_000;
const start = Date.parse('2026-01-31T00:00:00Z');
const signal = new AbortController().signal;
const object = memoryObject('');

function openState(directory: string, clock: Clock): Promise<OpenState> {
  return openDeliveryState({ directory, clock, logger: silentLogger });
}

/** A workspace with a settled event, and a watch that starts anew with each `restart`. */
async function scene() {
  const directory = temporaryDirectory();
  const clock = new ManualClock(new Date(start).toISOString());
  let state = await openState(directory, clock);
  const sent: AlertEvent[] = [];
  const events: AgentEvent[] = [];
  let collector: (event: AlertEvent) => Promise<void> = async () => {};
  const send = async (event: AlertEvent) => {
    sent.push(event);
    await collector(event);
  };
  const createWatch = () =>
    new SilenceWatch({
      state,
      send,
      observe: (event) => events.push(event),
      logger: silentLogger,
      thresholdMs: 24 * hour,
      lookbackMs: 7 * 24 * hour,
    });
  let watch = createWatch();
  const settle = async (newestEventMs: number) => {
    const claim = await state.claim(object, signal);
    if (typeof claim === 'string') throw new Error(claim);
    claim.settle({
      announcementId: undefined,
      position: startOfObject,
      lineHashes: new Int32Array(0),
      observedRuns: [],
      acceptedCount: 1,
      deadLetteredCount: 0,
      newestEventMs,
    });
    await claim.flush(signal);
    await claim.release();
  };
  await settle(start);
  const goTo = (timeMs: number) => clock.advance(timeMs - clock.nowMs());
  return {
    sent,
    goTo,
    /** Delivered at once, unless it is older than what has been seen of the time. */
    async settle(newestEventMs: number) {
      if (newestEventMs > clock.nowMs()) await goTo(newestEventMs);
      await settle(newestEventMs);
    },
    async check(upToMs: number) {
      if (upToMs > clock.nowMs()) await goTo(upToMs);
      await watch.check(() => upToMs, signal);
    },
    answer(how: typeof collector) {
      collector = how;
    },
    silences: () => events.flatMap((event) => (event.kind === 'silenceChanged' ? event.silent : [])),
    async restart() {
      await state.close();
      state = await openState(directory, clock);
      watch = createWatch();
    },
    close: () => state.close(),
  };
}

const names = (sent: readonly AlertEvent[]) => sent.map(({ eventName }) => eventName);

it('reports once that a workspace is silent, with a time derived from its last event', async () => {
  const { sent, check, silences, restart, close } = await scene();
  await check(start + 24 * hour - 1);
  expect(sent).toEqual([]);
  await check(start + 24 * hour);
  await check(start + 25 * hour);
  await restart();
  await check(start + 26 * hour);
  expect(sent).toEqual([
    {
      eventName: 'databricks.audit.silence',
      timeMs: start + 24 * hour,
      uid: expect.stringMatching(/^[0-9a-f]{64}$/),
      workspaceId: '1',
      severity: 'WARN',
      body: 'No event of workspace 1 since 2026-01-31T00:00:00.000Z',
      attributes: {
        'databricks.audit.silence.last_event': '2026-01-31T00:00:00.000Z',
        'databricks.audit.silence.threshold': 86_400,
      },
    },
  ]);
  expect(silences()).toEqual([true, true]); // Also in the metric of the new process.
  await close();
});

it('reports once that a workspace has events again, and reports the next silence as a new one', async () => {
  const { sent, check, settle, silences, restart, close } = await scene();
  await check(start + 24 * hour);
  await settle(start - hour); // A late event does not end the silence.
  await check(start + 25 * hour);
  expect(names(sent)).toEqual(['databricks.audit.silence']);
  await settle(start + 30 * hour);
  await settle(start + 31 * hour);
  await restart();
  await check(start + 32 * hour);
  await check(start + 33 * hour);
  expect(names(sent)).toEqual(['databricks.audit.silence', 'databricks.audit.silence_ended']);
  expect(sent[1]).toMatchObject({
    timeMs: start + 30 * hour,
    severity: 'INFO',
    attributes: { 'databricks.audit.silence.duration': 30 * 3600 },
  });
  await check(start + 55 * hour);
  expect(names(sent).at(-1)).toBe('databricks.audit.silence');
  expect(new Set(sent.map(({ uid }) => uid)).size).toBe(3);
  expect(silences().at(-1)).toBe(true);
  await close();
});

it('sends the same event again if it was stopped before the response, even if there are events again by then', async () => {
  const { sent, check, settle, answer, restart, close } = await scene();
  answer(() => Promise.reject(new Error('the process died')));
  await expect(check(start + 24 * hour)).rejects.toThrow('died');
  await settle(start + 26 * hour);
  await restart();
  answer(async () => {});
  await check(start + 27 * hour);
  expect(names(sent)).toEqual([
    'databricks.audit.silence',
    'databricks.audit.silence',
    'databricks.audit.silence_ended',
  ]);
  expect(sent[1]).toEqual(sent[0]);
  await close();
});

it('runs one check at a time, however long the collector takes', async () => {
  const { sent, check, answer, close } = await scene();
  let accept = () => {};
  answer(() => new Promise((resolve) => (accept = resolve)));
  const first = check(start + 24 * hour);
  await expect.poll(() => sent.length).toBe(1);
  await check(start + 25 * hour);
  expect(sent).toHaveLength(1);
  accept();
  await first;
  await close();
});

it('raises no event for a workspace that has long been unused, but reports it as silent in the metric', async () => {
  const { sent, check, silences, close } = await scene();
  await check(start + 9 * 24 * hour);
  expect(sent).toEqual([]);
  expect(silences()).toEqual([true]);
  await close();
});

it('stays silent while a backfill brings events that are older than the threshold, each newer than the one before', async () => {
  const { sent, goTo, settle, check, silences, close } = await scene();
  const now = start + 60 * hour;
  await goTo(now);
  await check(now);
  for (let poll = 1; poll <= 20; poll++) {
    await settle(start + poll * hour);
    await check(now + poll * 1000);
  }
  expect(names(sent)).toEqual(['databricks.audit.silence']);
  expect(silences()).toEqual([true]);
  await settle(now);
  await check(now + hour);
  expect(names(sent)).toEqual(['databricks.audit.silence', 'databricks.audit.silence_ended']);
  expect(sent[1]?.timeMs).toBe(now);
  expect(silences()).toEqual([true, false]);
  await close();
});

it('reports silences and their ends in turn, and no end without an event inside the threshold', async () => {
  const step = fc.constantFrom('fresh', 'late', 'very late', 'hour', 'day', 'check', 'restart');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const { sent, goTo, settle, check, restart, close } = await scene();
      let now = start;
      let newest = start;
      const insideThreshold = new Set<number>();
      // The first of the last two may report the end of a silence, and the second the next one.
      for (const each of [...steps, 'check', 'check']) {
        const sentBefore = sent.length;
        if (each === 'hour' || each === 'day') {
          now += each === 'hour' ? hour : 24 * hour;
          await goTo(now);
        }
        if (each === 'restart') await restart();
        if (each === 'check') await check(now);
        const eventMs = { fresh: now, late: now - 23 * hour, 'very late': now - 25 * hour }[each];
        if (eventMs !== undefined) {
          if (each !== 'very late') insideThreshold.add(eventMs);
          await settle(eventMs);
          newest = Math.max(newest, eventMs);
        }
        for (const { eventName, timeMs } of sent.slice(sentBefore)) {
          if (eventName.endsWith('ended')) expect(insideThreshold).toContain(timeMs);
        }
      }
      const told = names(sent);
      told.forEach((name, index) => {
        expect(name).toBe(index % 2 === 0 ? 'databricks.audit.silence' : 'databricks.audit.silence_ended');
      });
      expect(new Set(sent.map(({ uid }) => uid)).size).toBe(sent.length);
      if (now - newest >= 24 * hour && now - newest < 7 * 24 * hour)
        expect(told.at(-1)).toBe('databricks.audit.silence');
      await close();
    }),
    { numRuns: 40 },
  );
});

it('does not report a silence any more once another process leads, which alone notices its end', async () => {
  const lost = new AbortController();
  const leads = [{ lost: lost.signal, release: async () => {} }];
  const silences: boolean[] = [];
  const watch = new SilenceWatch({
    state: {
      lead: async () => leads.shift(),
      workspaces: async () => [{ workspaceId: '1', lastEventMs: start, silence: undefined }],
      beginSilence: async () => {},
      silenceReported: async () => {},
      endSilence: async () => {},
    },
    send: async () => {},
    observe: (event) => void (event.kind === 'silenceChanged' && silences.push(event.silent)),
    logger: silentLogger,
    thresholdMs: 24 * hour,
    lookbackMs: 7 * 24 * hour,
  });
  await watch.check(() => start + 25 * hour, signal);
  expect(silences).toEqual([true]);
  lost.abort();
  await watch.check(() => start + 26 * hour, signal);
  await watch.check(() => start + 27 * hour, signal);
  expect(silences).toEqual([true, false]);
});

it('leaves an alert event that waits for the collector to whoever leads now', async () => {
  const [lost, next] = [new AbortController(), new AbortController()];
  const leads = [lost, next].map(({ signal: ended }) => ({ lost: ended, release: async () => {} }));
  const [silences, sent, reported] = [[] as boolean[], [] as AlertEvent[], [] as unknown[]];
  const watch = new SilenceWatch({
    state: {
      lead: async () => leads.shift(),
      workspaces: async () => [{ workspaceId: '1', lastEventMs: start, silence: undefined }],
      beginSilence: async () => {},
      silenceReported: async (workspaceId) => void reported.push(workspaceId),
      endSilence: async () => {},
    },
    send: async (event, until) => {
      sent.push(event);
      if (sent.length === 1) await new ManualClock(new Date(start).toISOString()).sleep(hour, until);
    },
    observe: (event) => void (event.kind === 'silenceChanged' && silences.push(event.silent)),
    logger: silentLogger,
    thresholdMs: 24 * hour,
    lookbackMs: 7 * 24 * hour,
  });
  const checking = watch.check(() => start + 25 * hour, signal);
  await settled();
  expect(sent).toHaveLength(1);
  lost.abort();
  await checking;
  expect(reported).toEqual([]);
  expect(silences).toEqual([true, false]);
  await watch.check(() => start + 26 * hour, signal);
  expect(sent[1]).toEqual(sent[0]);
  expect(reported).toEqual(['1']);
});
