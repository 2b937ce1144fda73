import { expect, it } from 'vitest';
import type { DeliveryState } from '../../src/contracts/delivery-state.ts';
import type { Notice } from '../../src/contracts/mapper.ts';
import type { AgentEvent } from '../../src/contracts/observer.ts';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { startOfObject } from '../../src/pipeline/prefix-digest.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { SilenceWatch } from '../../src/schedule/silence-watch.ts';
import { memoryObject } from '../support/memory-object.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const hour = 3_600_000;
const start = Date.parse('2026-01-31T00:00:00Z');
const signal = new AbortController().signal;
const { origin } = memoryObject('');

function openState(directory: string): DeliveryState {
  return openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
}

/** A workspace with an event settled at the start, and a watch that begins anew with each `restart`. */
async function scene() {
  const directory = temporaryDirectory();
  let state = openState(directory);
  const sent: Notice[] = [];
  const events: AgentEvent[] = [];
  let collector: (notice: Notice) => Promise<void> = async () => {};
  const send = async (notice: Notice) => {
    sent.push(notice);
    await collector(notice);
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
    state.settle(origin, {
      announcementId: undefined,
      position: startOfObject,
      lineHashes: new Int32Array(0),
      acceptedCount: 1,
      deadLetteredCount: 0,
      newestEventMs,
    });
    await state.flush(signal);
  };
  await settle(start);
  return {
    sent,
    settle,
    look: (upToMs: number) => watch.look(upToMs, signal),
    answer(how: typeof collector) {
      collector = how;
    },
    silences: () => events.flatMap((event) => (event.kind === 'silenceChanged' ? event.silent : [])),
    async restart() {
      await state.close();
      state = openState(directory);
      watch = createWatch();
    },
    close: () => state.close(),
  };
}

const names = (sent: readonly Notice[]) => sent.map(({ eventName }) => eventName);

it('tells once of a workspace that is silent, at the time that follows from its last event', async () => {
  const { sent, look, silences, restart, close } = await scene();
  await look(start + 24 * hour - 1);
  expect(sent).toEqual([]);
  await look(start + 24 * hour);
  await look(start + 25 * hour);
  await restart();
  await look(start + 26 * hour);
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
  expect(silences()).toEqual([true, true]); // The metric of the new process, too.
  await close();
});

it('tells once that events are back, and of the next silence anew', async () => {
  const { sent, look, settle, silences, restart, close } = await scene();
  await look(start + 24 * hour);
  await settle(start - hour); // Late, and no sign of life.
  await look(start + 25 * hour);
  expect(names(sent)).toEqual(['databricks.audit.silence']);
  await settle(start + 30 * hour);
  await settle(start + 31 * hour);
  await restart();
  await look(start + 32 * hour);
  await look(start + 33 * hour);
  expect(names(sent)).toEqual(['databricks.audit.silence', 'databricks.audit.silence_ended']);
  expect(sent[1]).toMatchObject({
    timeMs: start + 30 * hour,
    severity: 'INFO',
    attributes: { 'databricks.audit.silence.duration': 30 * 3600 },
  });
  await look(start + 55 * hour);
  expect(names(sent).at(-1)).toBe('databricks.audit.silence');
  expect(new Set(sent.map(({ uid }) => uid)).size).toBe(3);
  expect(silences().at(-1)).toBe(true);
  await close();
});

it('sends the same notice again when it was stopped before the answer, also when events are back by then', async () => {
  const { sent, look, settle, answer, restart, close } = await scene();
  answer(() => Promise.reject(new Error('the process died')));
  await expect(look(start + 24 * hour)).rejects.toThrow('died');
  await settle(start + 26 * hour);
  await restart();
  answer(async () => {});
  await look(start + 27 * hour);
  expect(names(sent)).toEqual([
    'databricks.audit.silence',
    'databricks.audit.silence',
    'databricks.audit.silence_ended',
  ]);
  expect(sent[1]).toEqual(sent[0]);
  await close();
});

it('looks once at a time, however long the collector takes', async () => {
  const { sent, look, answer, close } = await scene();
  let accept = () => {};
  answer(() => new Promise((resolve) => (accept = resolve)));
  const first = look(start + 24 * hour);
  await expect.poll(() => sent.length).toBe(1);
  await look(start + 25 * hour);
  expect(sent).toHaveLength(1);
  accept();
  await first;
  await close();
});

it('raises no notice for a workspace that was given up long ago, and says in the metric that it is silent', async () => {
  const { sent, look, silences, close } = await scene();
  await look(start + 9 * 24 * hour);
  expect(sent).toEqual([]);
  expect(silences()).toEqual([true]);
  await close();
});
