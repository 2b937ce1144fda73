/**
 * Three real replicas on one state, while processes are killed, and stopped for longer than their lease, the store is killed, and objects
 * are overwritten. Then what the collector has, and what the state says, is compared with the bucket. Once, listings alone find the
 * objects; once, notifications do, and listings find what those miss.
 */
import assert from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentProcess, type Environment, type LogEntry, startAgent } from '../../support/agent-process.ts';
import { lostLines, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, type DeliveryPlace, deliveryKey, s3Place, smallBatches } from '../../support/delivery-place.ts';
import { answers, type OtlpReceiver } from '../../support/otlp-receiver.ts';
import { lookIntervalMs, shippedLog } from '../../support/replica-sharing.ts';
import {
  changedUids,
  replicaScript,
  settledByOthers,
  settledTwice,
  sharedDeliveryScene,
} from '../../support/replicas.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { startUnreliableNotifications } from '../../support/unreliable-notifications.ts';
import { startDurableDynalite } from '../servers/dynamodb.ts';
import { startPostgres } from '../servers/postgresql.ts';

let s3: S3Server;
beforeAll(async () => {
  s3 = await startS3Server();
});
afterAll(() => s3.stop());

interface Engine {
  /** A value for DATABRICKS_AUDIT_STATE. */
  readonly state: string;
  readonly environment: Environment;
  kill(): Promise<void>;
  start(): Promise<void>;
}

const engines: Readonly<Record<string, () => Promise<Engine>>> = {
  PostgreSQL: startPostgresEngine,
  async 'DynamoDB (dynalite on disk)'() {
    const dynalite = await startDurableDynalite();
    return { ...dynalite, state: 'dynamodb://audit-state' };
  },
};

async function startPostgresEngine(): Promise<Engine> {
  const postgres = await startPostgres();
  return { state: postgres.url, environment: {}, kill: postgres.kill, start: postgres.start };
}

type Event = 'kill a replica' | 'stop a replica' | 'kill the store' | 'kill a replica and the store';
const everything: readonly Event[] = [
  'kill a replica',
  'stop a replica',
  'kill the store',
  'stop a replica',
  'kill a replica and the store',
  'stop a replica',
  'kill a replica',
  'kill the store',
];

type FoundBy = 'listings alone' | 'notifications';
const runs = Object.entries(engines).flatMap(([engine, start]) =>
  (['listings alone', 'notifications'] as const).map((foundBy) => ({ engine, start, foundBy })),
);

test.each(runs)('on $engine, found by $foundBy, nothing is lost, and no repeat has other bytes', async (run) => {
  const findings = await live(await run.start(), everything, { foundBy: run.foundBy });
  expect(findings).toMatchObject({ lost: 0, otherBytes: 0, settledTwice: 0, messagesLeft: 0, deletedTooEarly: [] });
  // What was in flight in a process, or of an object, at each event; and some answers of the collector get lost.
  expect(findings.sentAgain).toBeLessThanOrEqual(everything.length * objectKeys.length * batchLinesInFlight);
  // How many depends on what else finds objects: the first listing of each process that is started again.
  if (run.foundBy === 'notifications') expect(findings.notified).toBeGreaterThan(0);
});

test('without the fence, the same run breaks what is promised', async () => {
  const stops = Array<Event>(4).fill('stop a replica');
  const run = { foundBy: 'listings alone', more: { REPLICA_FENCE: 'off' } } as const;
  const { otherBytes, settledTwice: twice, lost } = await live(await startPostgresEngine(), stops, run);
  expect(otherBytes + twice + lost).toBeGreaterThan(0);
});

interface Findings {
  readonly lost: number;
  readonly sentAgain: number;
  readonly otherBytes: number;
  readonly settledTwice: number;
  /** How often an object with something new was found by a notification. */
  readonly notified: number;
  readonly messagesLeft: number;
  readonly deletedTooEarly: readonly string[];
}

interface LiveOptions {
  readonly foundBy: FoundBy;
  readonly more?: Environment;
}

const objectKeys = ['1', '2'].flatMap((workspace) =>
  ['auditlogs_1.json', 'auditlogs_2.json.gz', 'auditlogs_3.json'].map((name) => deliveryKey(workspace, name)),
);
const batchLinesInFlight = smallBatches.records * smallBatches.inFlight;
const linesAdded = 12;
/** However the last looks of a process fell. */
const leaseMs = 5 * lookIntervalMs;
const nameHeader = 'x-replica';
/** At most the lease, so that others receive what a stopped process holds. */
const hiddenMaxS = 2;
/** Some polls in the length of a run: enough to find what the queue loses, and too few to find much else. */
const pollIntervalWithQueue = '10s';

async function live(engine: Engine, events: readonly Event[], { foundBy, more }: LiveOptions): Promise<Findings> {
  const bucketPlace = await s3Place(s3);
  const hints = foundBy === 'notifications' ? await startHints(bucketPlace, () => scene.receiver) : undefined;
  const scene = await sharedDeliveryScene(bucketPlace, engine.state, { ...engine.environment, ...hints?.environment });
  const { place, receiver, environment } = scene;
  // Slow enough for each event to hit something in flight, and not quite reliable.
  receiver.answerWhen(() => true, answers.late(60));
  receiver.answerWhen(({ index }) => index % 31 === 7, answers.loseAnswer());
  receiver.answerWhen(({ index }) => index % 37 === 11, answers.status(503));
  const replicas = Array.from({ length: 3 }, (_, index) => new Replica(`${index}`, { ...environment, ...more }));
  const contents = new Map(objectKeys.map((key): [string, string[]] => [key, []]));
  let overwriteCount = 0;
  const overwrite = async () => {
    const count = overwriteCount++;
    for (const [index, [key, lines]] of [...contents].entries()) {
      const added = auditLines(linesAdded, 1_000 * count, { key });
      // Every other time the lines stand in another order, so each is compared.
      const next = (index + count) % 2 === 0 ? [...lines, ...added] : [...added, ...lines.toReversed()];
      contents.set(key, next);
      await place.deliver(key, next);
      await hints?.wrote(key, next);
    }
  };
  try {
    for (const event of events) {
      await overwrite();
      const { length } = receiver.accepted;
      await expect.poll(() => receiver.accepted.length).toBeGreaterThan(length + 2 * linesAdded);
      const shipping = receiver.requests.at(-1)?.headers[nameHeader];
      const replica = replicas.find(({ name }) => name === shipping);
      assert(replica !== undefined, 'each request has the name of its sender');
      if (event.includes('kill a replica')) await replica.kill();
      if (event.includes('the store')) {
        await engine.kill();
        await delay(2 * lookIntervalMs);
        await engine.start();
      }
      if (event === 'stop a replica') {
        await replica.stopWhile(async () => {
          await overwrite();
          await delay(leaseMs);
          await settledByOthers(environment);
        });
      }
    }
    await hints?.end();
    await settledByOthers(environment);
    if (hints !== undefined) await expect.poll(() => hints.queue.count()).toBe(0);
    return {
      lost: [...contents.values()].reduce((sum, lines) => sum + lostLines(receiver, lines).length, 0),
      sentAgain: repeatedUids(receiver).length,
      otherBytes: changedUids(receiver).length,
      settledTwice: await sumOf([...contents], ([key, lines]) =>
        settledTwice(environment, `${place.source}/${key}`, lines.length),
      ),
      notified: replicas.reduce((sum, replica) => sum + replica.notifiedCount, 0),
      messagesLeft: (await hints?.queue.count()) ?? 0,
      deletedTooEarly: [...(hints?.deletedTooEarly ?? [])],
    };
  } finally {
    for (const replica of replicas) await replica.end();
  }
}

async function startHints({ source }: DeliveryPlace, receiver: () => OtlpReceiver) {
  const notifications = await startUnreliableNotifications({
    s3,
    bucket: source.slice('s3://'.length),
    hiddenMaxS,
    isDelivered: (lines) => lostLines(receiver(), lines).length === 0,
  });
  const { environment } = notifications.queue;
  return {
    ...notifications,
    environment: { ...environment, DATABRICKS_AUDIT_POLL_INTERVAL: pollIntervalWithQueue },
  };
}

/** A process that is started again whenever it ends, as Kubernetes does. */
class Replica {
  /** Sent with each request. */
  readonly name: string;
  readonly #environment: Environment;
  #process: AgentProcess;
  readonly #logs: (readonly LogEntry[])[] = [];
  #isEnding = false;

  constructor(name: string, environment: Environment) {
    this.name = name;
    this.#environment = { ...environment, OTEL_EXPORTER_OTLP_HEADERS: `${nameHeader}=${name}` };
    this.#process = this.#start();
  }

  get notifiedCount(): number {
    return this.#logs.flat().filter(({ msg, foundBy }) => msg === shippedLog && foundBy === 'notification').length;
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async stopWhile(work: () => Promise<void>): Promise<void> {
    const stopped = this.#process;
    stopped.signal('SIGSTOP');
    await work();
    stopped.signal('SIGCONT');
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    this.#process.signal('SIGCONT');
    await this.#process.stop();
  }

  #start(): AgentProcess {
    const started = startAgent([], this.#environment, { script: replicaScript });
    this.#logs.push(started.log);
    void started.exit.then(() => {
      if (!this.#isEnding) this.#process = this.#start();
    });
    return started;
  }
}

async function sumOf<Item>(items: readonly Item[], value: (item: Item) => Promise<number>): Promise<number> {
  let sum = 0;
  for (const item of items) sum += await value(item);
  return sum;
}
