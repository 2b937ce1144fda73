/**
 * Replicas whose collectors are down: real agents in the test's process, on one store, each with a collector of its own and a clock that the test advances.
 */
import { hash } from 'node:crypto';
import { expect, onTestFinished, test } from 'vitest';
import { type Agent, type AgentEvent, createAgent } from '../../src/agent/agent.ts';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Source } from '../../src/contracts/source.ts';
import type { DeliveredObject, ObjectId } from '../../src/model/object.ts';
import { Activity } from '../../src/telemetry/activity.ts';
import { type Health, readiness } from '../../src/telemetry/health.ts';
import { rememberingLogger } from '../export/fixtures.ts';
import { auditLines } from '../support/delivery-place.ts';
import { ManualClock, settled } from '../support/manual-clock.ts';
import { memoryObject } from '../support/memory-object.ts';
import { ModelStore, StoredItems } from '../support/model-store.ts';
import { type ReceivedRecord, receivedRecords } from '../support/otlp-receiver.ts';

/** `backendDown`: it answers, and accepts no records. `refusesEmpty`: it accepts records, and answers 400 to a request without any. `oneAtATime`: it never answers a request with more than one record in time. */
type CollectorState = 'up' | 'down' | 'backendDown' | 'refusesEmpty' | 'oneAtATime';

interface Replica {
  readonly clock: ManualClock;
  /** In the order in which they were sent, whether accepted or not. */
  readonly sent: readonly ReceivedRecord[];
  readonly accepted: readonly ReceivedRecord[];
  readonly events: readonly AgentEvent[];
  readonly messages: () => readonly string[];
  collector: CollectorState;
  stop(): Promise<void>;
}

const minuteMs = 60_000;
const stepMs = 5_000;

test('what a replica holds whose collector is down is shipped by another, byte for byte', async () => {
  const items = new StoredItems();
  const objects = [objectOf('2026-01-30', 1), objectOf('2026-01-31', 2)];
  const broken = await replica(items, objects, 'down');
  await passTime(stepMs, broken);
  const healthy = await replica(items, objects, 'up');
  await passTime(minuteMs, broken, healthy);
  expect(broken.sent).not.toHaveLength(0);
  expect(healthy.sent).toHaveLength(0);

  await passTime(15 * minuteMs, broken, healthy);
  expect(uidsOf(healthy.accepted)).toEqual(expectedUids(1, 2));
  const formsOf = ({ uid = '', bytesHash, json }: ReceivedRecord) => `${uid} ${bytesHash} ${json}`;
  const forms = new Set([...broken.sent, ...healthy.accepted].map(formsOf));
  expect(forms.size).toBe(healthy.accepted.length);
  expect(broken.messages()).toContain(
    'Collector is down for this replica: it releases what it has claimed, and another replica can take over',
  );
  expect(isWaiting(broken)).toBe(true);
  expect(healthy.messages()).toEqual([]);

  broken.collector = 'up';
  await passTime(2 * minuteMs, broken, healthy);
  expect(isWaiting(broken)).toBe(false);
  expect(broken.messages().at(-1)).toBe('Collector answers again: this replica claims objects again');
  await healthy.stop();
  objects.push(objectOf('2026-01-31', 3));
  await passTime(5 * minuteMs, broken);
  expect(uidsOf(broken.accepted)).toEqual(expectedUids(3));
});

test('while every collector is down, all stand aside, and whoever gets an answer first ships everything once', async () => {
  const items = new StoredItems();
  const objects = [objectOf('2026-01-30', 1), objectOf('2026-01-31', 2)];
  const replicas = [await replica(items, objects, 'down'), await replica(items, objects, 'down')] as const;
  await passTime(10 * minuteMs, ...replicas);
  for (const { messages } of replicas)
    expect(messages()).toContain(
      'Collector is down for this replica: it releases what it has claimed, and another replica can take over',
    );
  replicas[1].collector = 'up';
  await passTime(3 * minuteMs, ...replicas);
  replicas[0].collector = 'up';
  await passTime(3 * minuteMs, ...replicas);
  const accepted = replicas.flatMap((each) => each.accepted);
  expect(uidsOf(accepted)).toEqual(expectedUids(1, 2));
  const forms = replicas.flatMap(({ sent }) => sent).map(({ uid = '', bytesHash }) => `${uid} ${bytesHash}`);
  expect(new Set(forms).size).toBe(accepted.length);
});

test('a replica whose collector answers and accepts no records does not hold up another', async () => {
  const items = new StoredItems();
  const objects = [objectOf('2026-01-30', 1), objectOf('2026-01-31', 2)];
  const broken = await replica(items, objects, 'backendDown');
  await passTime(stepMs, broken);
  const healthy = await replica(items, objects, 'up');
  await passTime(15 * minuteMs, broken, healthy);
  expect(uidsOf(healthy.accepted)).toEqual(expectedUids(1, 2));
});

test('a replica whose collector answers and accepts no records logs that every few minutes at most', async () => {
  const broken = await replica(new StoredItems(), [objectOf('2026-01-31', 1)], 'backendDown');
  await passTime(30 * minuteMs, broken);
  const aside = broken.messages().filter((message) => message.startsWith('Collector is down for this replica'));
  expect(aside.length).toBeGreaterThan(1);
  expect(aside.length).toBeLessThan(8);
  broken.collector = 'up';
  await passTime(2 * minuteMs, broken);
  expect(broken.accepted).toHaveLength(3);
});

test('a replica does not stand aside for ever because its collector refuses empty requests', async () => {
  const alone = await replica(new StoredItems(), [objectOf('2026-01-31', 1)], 'down');
  await passTime(5 * minuteMs, alone);
  alone.collector = 'refusesEmpty';
  await passTime(15 * minuteMs, alone);
  expect(uidsOf(alone.accepted)).toEqual(expectedUids(1));
});

test('a request that is too much for the collector is split although the replica stands aside before it has failed five times', async () => {
  const slow = await replica(new StoredItems(), [objectOf('2026-01-31', 1), objectOf('2026-01-31', 2)], 'oneAtATime');
  await passTime(15 * minuteMs, slow);
  expect(uidsOf(slow.accepted)).toEqual(expectedUids(1, 2));
});

test('a replica that lost its only object to another does not say that it still waits for the collector', async () => {
  const items = new StoredItems();
  const objects = [objectOf('2026-01-31', 1)];
  const stopped = await replica(items, objects, 'down');
  await passTime(minuteMs, stopped);
  expect(ready(stopped)).toMatchObject({ status: 'waiting' });
  const other = await replica(items, objects, 'up');
  await passTime(2 * minuteMs, other);
  expect(uidsOf(other.accepted)).toEqual(expectedUids(1));
  stopped.collector = 'up';
  await stopped.clock.advance(2 * minuteMs);
  await passTime(10 * minuteMs, stopped, other);
  expect(stopped.accepted).toEqual([]);
  expect(ready(stopped)).toMatchObject({ ok: true, status: 'idle' });
});

async function replica(
  items: StoredItems,
  objects: readonly DeliveredObject[],
  collector: CollectorState,
): Promise<Replica> {
  const clock = new ManualClock('2026-01-31T12:00:00Z');
  const logger = rememberingLogger();
  const [sent, accepted, events] = [[] as ReceivedRecord[], [] as ReceivedRecord[], [] as AgentEvent[]];
  const transport = {
    async exchange(body: Uint8Array) {
      const records = receivedRecords(body, false) ?? [];
      sent.push(...records);
      if (made.collector === 'down') throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      if (made.collector === 'oneAtATime' && records.length > 1) {
        await clock.sleep(30_000, new AbortController().signal);
        throw Object.assign(new Error('no answer'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
      }
      const isRefused = records.length > 0 ? made.collector === 'backendDown' : made.collector === 'refusesEmpty';
      const status = !isRefused ? 200 : records.length > 0 ? 503 : 400;
      if (status === 200) accepted.push(...records);
      return { protocol: 'http' as const, status, headers: {}, body: new Uint8Array(0) };
    },
    async close() {},
  };
  const configuration = loadConfiguration(
    {
      DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state',
      DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit',
      DATABRICKS_AUDIT_LOOKBACK: '3d',
      DATABRICKS_AUDIT_SILENCE_AFTER: '0',
    },
    { hasOwnSources: true },
  );
  const agent = await createAgent(configuration, {
    sources: [sourceOf(objects)],
    clock,
    logger,
    transport,
    observer: (event) => events.push(event),
    sharing: { openStore: async () => new ModelStore(items) },
  });
  const stop = run(agent);
  const messages = () =>
    logger.lines.map(({ message }) => message).filter((message) => message.startsWith('Collector'));
  const made: Replica = { clock, sent, accepted, events, messages, collector, stop };
  return made;
}

function run(agent: Agent): () => Promise<void> {
  const stop = new AbortController();
  const running = agent.run(stop.signal).catch((error: unknown) => {
    if (error !== stop.signal.reason) throw error;
  });
  const end = async () => {
    stop.abort(new Error('enough'));
    await running;
    await agent.close();
  };
  let ended: Promise<void> | undefined;
  const endOnce = () => (ended ??= end());
  onTestFinished(endOnce);
  return endOnce;
}

async function passTime(forMs: number, ...replicas: readonly Replica[]): Promise<void> {
  await settled();
  for (let passedMs = 0; passedMs < forMs; passedMs += stepMs)
    for (const { clock } of replicas) await clock.advance(stepMs);
}

function isWaiting({ events }: Replica): boolean {
  const last = events.findLast((event) => event.kind === 'waiting' || event.kind === 'resumed');
  return last?.kind === 'waiting';
}

function ready({ clock, events }: Replica): Health {
  const activity = new Activity(['own://audit'], [], () => clock.nowMs());
  for (const event of events) activity.observe(event);
  return readiness(activity, undefined, clock.nowMs());
}

/** Three lines. */
function objectOf(date: string, number: number): DeliveredObject {
  const object = memoryObject(
    linesOf(number)
      .map((line) => `${line}\n`)
      .join(''),
  );
  const id = `own://audit/workspaceId=1/date=${date}/auditlogs_${number}.json` as ObjectId;
  return { ...object, origin: { ...object.origin, id, date, fileName: `auditlogs_${number}.json` } };
}

function linesOf(number: number): string[] {
  return auditLines(3, 10 * number);
}

function uidsOf(records: readonly ReceivedRecord[]): readonly string[] {
  return records.map(({ uid = '' }) => uid).sort();
}

/** The uids of all lines of these objects, which are named by number. */
function expectedUids(...numbers: readonly number[]): readonly string[] {
  return numbers
    .flatMap(linesOf)
    .map((line) => hash('sha256', line))
    .sort();
}

/** Lists the objects that are there now. */
function sourceOf(objects: readonly DeliveredObject[]): Source {
  return {
    name: 'own://audit',
    pollIntervalMs: 20_000,
    async *list({ dates: { from = '', before = '9999' } }) {
      const isListed = ({ origin: { date = '' } }: DeliveredObject) => date >= from && date < before;
      const listed = objects.filter(isListed).map((object) => ({ object, settle: () => {} }));
      yield {
        workspaceId: '1',
        async *pages() {
          yield listed;
        },
      };
    },
    async close() {},
  };
}
