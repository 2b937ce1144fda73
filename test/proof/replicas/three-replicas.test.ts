/**
 * Three real replicas on one state, while processes are killed, and stopped for longer than their lease, the store is killed, and objects
 * are overwritten. Then what the collector has, and what the state says, is compared with the bucket.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AgentProcess, type Environment, startAgent } from '../../support/agent-process.ts';
import { lostLines, repeatedUids } from '../../support/deliveries.ts';
import { auditLines, deliveryKey, s3Place, smallBatches } from '../../support/delivery-place.ts';
import { answers } from '../../support/otlp-receiver.ts';
import { lookIntervalMs } from '../../support/replica-sharing.ts';
import {
  changedUids,
  replicaScript,
  settled,
  settledTwice,
  sharedDeliveryScene,
  withReplica,
} from '../../support/replicas.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
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

test.each(Object.entries(engines))('on %s, nothing is lost, and no repeat has other bytes', async (_, start) => {
  const findings = await live(await start(), everything, {});
  expect(findings).toMatchObject({ lost: 0, otherBytes: 0, settledTwice: 0 });
  // What was in flight in a process, or of an object, at each event; and some answers of the collector get lost.
  expect(findings.sentAgain).toBeLessThanOrEqual(everything.length * objectKeys.length * batchLinesInFlight);
});

test('without the fence, the same run breaks what is promised', async () => {
  const stops = Array<Event>(4).fill('stop a replica');
  const roundsMax = 4;
  for (let round = 1; round <= roundsMax; round++) {
    const {
      otherBytes,
      settledTwice: twice,
      lost,
    } = await live(await startPostgresEngine(), stops, { REPLICA_FENCE: 'off' });
    if (otherBytes + twice + lost > 0) return;
  }
  expect.fail('the run without the fence found nothing');
});

interface Findings {
  readonly lost: number;
  readonly sentAgain: number;
  readonly otherBytes: number;
  readonly settledTwice: number;
}

const objectKeys = ['1', '2'].flatMap((workspace) =>
  ['auditlogs_1.json', 'auditlogs_2.json.gz', 'auditlogs_3.json'].map((name) => deliveryKey(workspace, name)),
);
const batchLinesInFlight = smallBatches.records * smallBatches.inFlight;
const linesPerRound = 12;
/** Longer than the lease of a stopped process, however its last looks fell. */
const stopMs = 6 * lookIntervalMs;

async function live(engine: Engine, events: readonly Event[], more: Environment): Promise<Findings> {
  const scene = await sharedDeliveryScene(await s3Place(s3), engine.state, engine.environment);
  const { place, receiver, environment } = scene;
  // Slow enough for each event to hit something in flight, and not quite reliable.
  receiver.answerWhen(() => true, answers.late(60));
  receiver.answerWhen(({ index }) => index % 31 === 7, answers.loseAnswer());
  receiver.answerWhen(({ index }) => index % 37 === 11, answers.status(503));
  const replicas = Array.from({ length: 3 }, () => new Replica({ ...environment, ...more }));
  const contents = new Map(objectKeys.map((key): [string, string[]] => [key, []]));
  try {
    for (const [round, event] of events.entries()) {
      for (const [index, [key, lines]] of [...contents].entries()) {
        const added = auditLines(linesPerRound, 1_000 * round, { key });
        // Every other time the lines stand in another order, so each is compared.
        contents.set(key, (index + round) % 2 === 0 ? [...lines, ...added] : [...added, ...lines.toReversed()]);
        await place.deliver(key, contents.get(key) ?? []);
      }
      const { length } = receiver.accepted;
      await expect.poll(() => receiver.accepted.length).toBeGreaterThan(length + 2 * linesPerRound);
      await happen(event, engine, replicas[round % replicas.length] as Replica);
    }
    await withReplica(environment, settled);
    return {
      lost: [...contents.values()].reduce((sum, lines) => sum + lostLines(receiver, lines).length, 0),
      sentAgain: repeatedUids(receiver).length,
      otherBytes: changedUids(receiver).length,
      settledTwice: await sumOf([...contents], ([key, lines]) =>
        settledTwice(environment, `${place.source}/${key}`, lines.length),
      ),
    };
  } finally {
    for (const replica of replicas) await replica.end();
  }
}

async function happen(event: Event, engine: Engine, replica: Replica): Promise<void> {
  if (event.includes('kill a replica')) await replica.kill();
  if (event.includes('the store')) {
    await engine.kill();
    await delay(2 * lookIntervalMs);
    await engine.start();
  }
  if (event === 'stop a replica') {
    await replica.stopFor(stopMs);
  }
}

/** A process that is started again whenever it ends, as Kubernetes does. */
class Replica {
  readonly #environment: Environment;
  #process: AgentProcess;
  #isEnding = false;

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#process = this.#start();
  }

  async kill(): Promise<void> {
    await this.#process.kill();
  }

  async stopFor(durationMs: number): Promise<void> {
    const stopped = this.#process;
    stopped.signal('SIGSTOP');
    await delay(durationMs);
    stopped.signal('SIGCONT');
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    this.#process.signal('SIGCONT');
    await this.#process.stop();
  }

  #start(): AgentProcess {
    const started = startAgent([], this.#environment, { script: replicaScript });
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
