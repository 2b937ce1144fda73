/**
 * Runs one plan: the agent's real code in a world that is all model, from the first delivery to the quiet after the last
 * fault, and has the oracle judge it.
 */
// The agent loads these when it needs them first, and in the middle of a history that would take real time.
import '@aws-sdk/client-s3';
import '@opentelemetry/otlp-transformer';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Agent, createAgent, readDeliverySummary } from '../../src/agent.ts';
import { type Configuration, loadConfiguration } from '../../src/config/index.ts';
import type { Decoder } from '../../src/decoder.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import type { Mapper } from '../../src/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { isAgentError, messageOf } from '../../src/model/agent-error.ts';
import { utcDate } from '../../src/runtime/clock.ts';
import type { Logger } from '../../src/runtime/logger.ts';
import { Faults } from './faults.ts';
import { ModelBucket } from './model-bucket.ts';
import { ModelCollector, requestTimeoutMs } from './model-collector.ts';
import { ModelDisk } from './model-disk.ts';
import { ModelS3 } from './model-s3.ts';
import { Oracle } from './oracle.ts';
import { type CallKind, type Death, type Delivery, type Plan, startMs } from './plan.ts';
import { sdkApi } from './s3-messages.ts';
import { SimulatedState } from './simulated-state.ts';
import { type Life, newLife, World } from './world.ts';

export interface Outcome {
  /** Empty when every promise was kept. */
  readonly problems: readonly string[];
  readonly traceHash: string;
  readonly simulatedMs: number;
  /** Times for which something was wrong. */
  readonly faultCount: number;
  /** Processes that were killed, lost power or were told to stop. */
  readonly deathCount: number;
  readonly callCount: number;
  readonly lineCount: number;
  /** Lines that a crash had sent twice. */
  readonly repeatCount: number;
}

const minuteMs = 60_000;

export async function simulate(plan: Plan, log?: (line: string) => void): Promise<Outcome> {
  const memory = '/dev/shm';
  const root = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'databricks-audit-simulation-'));
  try {
    return await new Simulation(plan, root, log).run();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

type Killing = Exclude<Death, { how: 'stop' }>;

class Simulation {
  readonly #plan: Plan;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #bucket: ModelBucket;
  readonly #s3: ModelS3;
  readonly #collector: ModelCollector;
  readonly #letters: ModelDisk;
  readonly #state: SimulatedState;
  readonly #oracle: Oracle;
  readonly #root: string;

  #life: Life = { ...newLife(0), alive: false };
  #agent: Agent | undefined;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Objects that did not only grow. */
  readonly #rewritten = new Set<string>();
  /** Waiting for their moment, oldest first. */
  readonly #deaths: { readonly death: Killing; skip: number }[] = [];
  /** Since when a process has been there without an end. */
  #upSinceMs = startMs;
  /** When the process that follows the last one that died starts, or has started. */
  #startsAgainMs = startMs;
  #deathCount = 0;
  #ending = false;

  constructor(plan: Plan, root: string, log: ((line: string) => void) | undefined) {
    this.#plan = plan;
    this.#root = root;
    this.#world = new World(plan.seed, log);
    this.#faults = new Faults(this.#world, plan);
    this.#bucket = new ModelBucket(plan.settings.etags);
    this.#oracle = new Oracle(
      this.#bucket,
      plan.settings,
      () => this.#world.nowMs,
      (key) => !this.#isRecent(key) && this.#rewritten.has(key),
    );
    this.#s3 = new ModelS3(this.#world, this.#bucket, this.#faults, plan.settings);
    this.#collector = new ModelCollector(this.#world, this.#faults, plan.settings, this.#oracle);
    this.#letters = new ModelDisk(this.#world, this.#faults, (text) =>
      this.#oracle.deadLettered(text, this.#life.number),
    );
    this.#state = new SimulatedState(root, this.#world, this.#faults, () => this.#committed());
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    world.onCallEnd = (kind) => this.#deathAt(kind);
    for (const step of this.#plan.steps) {
      if (step.kind === 'deliver') world.at(startMs + step.atMs, () => this.#deliver(step));
      if (step.kind === 'death') world.at(startMs + step.atMs, () => this.#arm(step));
    }
    this.#start();
    const lastStepMs = Math.max(0, ...this.#plan.steps.map(({ atMs }) => atMs));
    await this.#runUntil(Math.max(startMs + lastStepMs, this.#faults.endMs));
    this.#ending = true;
    this.#deaths.length = 0;
    await this.#runUntil(this.#startsAgainMs);
    await this.#runUntil(world.nowMs + this.#quietMs('older'));
    this.#judge();
    await this.#expectNothingLeft();
    return {
      problems: this.#oracle.problems,
      traceHash: world.traceHash,
      simulatedMs: world.nowMs - startMs,
      faultCount: this.#plan.steps.filter(({ kind }) => kind !== 'deliver' && kind !== 'death').length,
      deathCount: this.#deathCount,
      callCount: world.callCount,
      lineCount: this.#oracle.occurrenceCount,
      repeatCount: this.#oracle.repeatCount,
    };
  }

  async #runUntil(endMs: number): Promise<void> {
    await this.#world.runUntil(endMs, () => this.#life);
  }

  /** How long it takes at most until everything is shipped, once nothing is wrong any more. */
  #quietMs(dates: 'recent' | 'older'): number {
    const { pollIntervalMs, sweepIntervalMs } = this.#plan.settings;
    const recentMs = 3 * pollIntervalMs + 30 * minuteMs;
    return dates === 'recent' ? recentMs : recentMs + sweepIntervalMs + 10 * pollIntervalMs;
  }

  #deliver(step: Delivery): void {
    const before = this.#bucket.current(step.key);
    if (before !== undefined && this.#hadItsTime(before.fromMs, step.key)) {
      this.#oracle.noteDeadLetters(this.#letters.contents);
      this.#oracle.expectDelivered(before, 'before it was overwritten');
    }
    this.#bucket.deliver(step, this.#world.nowMs);
    if (step.change !== 'extend' && step.change !== 'same') this.#rewritten.add(step.key);
    this.#world.note(`${step.key}: ${step.change}`);
  }

  /** True when the version was there for so long, with nothing wrong, that every line of it has to be shipped. */
  #hadItsTime(fromMs: number, key: string): boolean {
    const { nowMs } = this.#world;
    const sinceMs = nowMs - this.#quietMs(this.#isRecent(key) ? 'recent' : 'older');
    return this.#life.alive && fromMs < sinceMs && this.#upSinceMs < sinceMs && this.#faults.noneSince(sinceMs);
  }

  #start(): void {
    const world = this.#world;
    const life = newLife(this.#life.number + 1);
    this.#life = life;
    this.#stop = new AbortController();
    this.#upSinceMs = world.nowMs;
    world.note(`process ${life.number} starts`);
    try {
      this.#agent = this.#createAgent(life, 'longRunning');
    } catch (error) {
      if (!isAgentError(error, 'ERR_STATE_WRITE')) throw error;
      this.#crash(messageOf(error));
      return;
    }
    this.#running = this.#agent.run(this.#stop.signal).catch((error: unknown) => {
      if (life.alive && !this.#stop.signal.aborted) this.#crash(messageOf(error));
    });
  }

  #createAgent(life: Life, mode: 'longRunning' | 'oneShot'): Agent {
    const world = this.#world;
    return createAgent(
      configurationOf(this.#plan, this.#state.directory(life.number), join(this.#root, 'letters')),
      {
        logger: this.#logger(life),
        stdout: process.stdout,
        clock: world.clockOf(life),
        observer: (event) => {
          if (life.alive && event.kind === 'objectVisited') world.note(`${event.objectId} visited: ${event.status}`);
        },
      },
      mode,
      {
        createS3: () => (this.#plan.settings.bucket === 'sdk' ? sdkApi(this.#s3, world, life) : this.#s3.api(life)),
        transport: this.#collector.of(life),
        letterFiles: this.#letters.of(life),
        openDatabase: (path) => this.#state.open(path, life, () => this.#dueAtCommit() !== undefined),
        decoder: watchedDecoder(life),
        mapper,
      },
    );
  }

  #logger(life: Life): Logger {
    const note = (fields: object, message: string) => {
      const code = codeOf(fields);
      if (!life.alive || message === 'Object visited' || code === 'ERR_SOURCE_LAYOUT') return;
      this.#world.note(`  log: ${message} ${code}`);
      if (code === 'ERR_OBJECT_REWRITTEN_AFTER_LOOKBACK') this.#sentAgain(fields);
    };
    return { debug: note, info: note, warn: note, error: note };
  }

  /** The agent says that it repeats an object: that is right beyond the look-back only. */
  #sentAgain(fields: object): void {
    const key = 'object' in fields ? `${fields.object}`.replace('s3://audit-bucket/', '') : '';
    if (this.#isRecent(key)) this.#oracle.problems.push(`${key} is sent again within the look-back`);
  }

  #isRecent(key: string): boolean {
    return dateOf(key) >= utcDate(this.#world.nowMs, this.#plan.settings.lookbackDays);
  }

  #arm(death: Death): void {
    if (this.#ending) return;
    if (death.how === 'stop') void this.#stopGracefully(death);
    else this.#deaths.push({ death, skip: death.skip });
  }

  async #stopGracefully({ downMs }: Death): Promise<void> {
    const life = this.#life;
    const agent = this.#agent;
    if (!life.alive || agent === undefined || this.#stop.signal.aborted) return;
    this.#deathCount++;
    this.#world.note('told to stop');
    this.#stop.abort(new Error('stopped'));
    await this.#running;
    await agent.close();
    if (!life.alive) return; // Killed while it stopped.
    this.#bury(life, downMs, { requestsArrive: false, how: 'kill', state: 'kept' });
  }

  /** The next death, when it is due at the end of such a call. */
  #deathAt(kind: CallKind): ReturnType<World['onCallEnd']> {
    this.#observe();
    const next = this.#deaths[0];
    if (next === undefined || !this.#life.alive || next.death.at === 'commit') return undefined;
    if (next.death.at !== 'any' && next.death.at !== kind) return undefined;
    if (next.skip-- > 0) return undefined;
    this.#deaths.shift();
    const life = this.#life;
    return { microtasks: next.death.microtasks, kill: () => life.alive && this.#kill(next.death, next.death.how) };
  }

  #dueAtCommit(): Killing | undefined {
    const next = this.#deaths[0];
    return next?.death.at === 'commit' && next.skip === 0 ? next.death : undefined;
  }

  #committed(): void {
    const death = this.#dueAtCommit();
    const next = this.#deaths[0];
    if (next?.death.at === 'commit') next.skip--;
    if (death === undefined) {
      this.#oracle.commitCount++;
      return;
    }
    this.#deaths.shift();
    const inCommit = death.how === 'powerLoss';
    if (!inCommit) this.#oracle.commitCount++;
    this.#kill(death, inCommit ? 'powerLossInCommit' : 'kill');
  }

  #kill(death: Killing, how: 'kill' | 'powerLoss' | 'powerLossInCommit'): void {
    const life = this.#life;
    this.#deathCount++;
    this.#world.note(`process ${life.number} dies: ${how} at ${death.at}`);
    this.#bury(life, death.downMs, { ...death, how });
    if (how !== 'kill') this.#letters.losePower();
    this.#stop.abort(new Error('dead'));
    // What is left of the dead process has no effect any more; its files are closed when it has come to rest.
    const agent = this.#agent;
    setImmediate(() => {
      void agent
        ?.close()
        .catch(() => {})
        .then(() => this.#state.remove(life.number));
    });
  }

  /** The process ends by itself; whoever runs it starts it again. */
  #crash(reason: string): void {
    const life = this.#life;
    this.#world.note(`process ${life.number} ends: ${reason}`);
    const agent = this.#agent;
    void (async () => {
      await agent?.close();
      if (life.alive) this.#bury(life, minuteMs, { requestsArrive: false, how: 'kill', state: 'kept' });
    })();
  }

  #bury(
    life: Life,
    downMs: number,
    death: {
      readonly requestsArrive: boolean;
      readonly how: 'kill' | 'powerLoss' | 'powerLossInCommit';
      readonly state: Killing['state'];
    },
  ): void {
    life.alive = false;
    this.#state.inherit(life.number, life.number + 1, death.how);
    if (death.state !== 'kept') this.#state.damage(life.number + 1, death.state);
    this.#collector.senderDied(death.requestsArrive);
    this.#oracle.died(life.number, {
      stateIsLost: death.state !== 'kept',
      diskIsFull: this.#faults.diskIsFull('state'),
    });
    this.#agent = undefined;
    this.#startsAgainMs = this.#world.nowMs + downMs;
    this.#world.at(this.#startsAgainMs, () => this.#start());
  }

  /** What has to hold at every moment. */
  #observe(): void {
    const counters = this.#agent?.counters;
    if (counters === undefined || !this.#life.alive) return;
    const { linesRead, linesNew, linesAlreadyShipped, linesInFlight } = counters;
    const { batchRecords, requestsInFlight } = this.#plan.settings;
    const { problems } = this.#oracle;
    if (linesRead !== linesNew + linesAlreadyShipped) problems.push('lines read are not new + already shipped');
    if (linesInFlight < 0 || linesInFlight > batchRecords * requestsInFlight) {
      problems.push(`${linesInFlight} lines are in flight`);
    }
    // Six objects of recent dates side by side, and three of older ones.
    if (this.#life.openBodies > 9) problems.push(`${this.#life.openBodies} bodies are open`);
  }

  #judge(): void {
    const oracle = this.#oracle;
    oracle.noteDeadLetters(this.#letters.contents);
    for (const key of this.#bucket.keys) {
      const version = this.#bucket.current(key);
      if (version !== undefined) oracle.expectDelivered(version, 'at the end');
    }
    oracle.expectNothingInvented();
    const counters = this.#agent?.counters;
    if (counters === undefined) oracle.problems.push('no process is there at the end');
    else if (counters.linesInFlight !== 0)
      oracle.problems.push(`${counters.linesInFlight} lines are in flight at the end`);
    else if (counters.linesAccepted !== oracle.acknowledgedCount) {
      oracle.problems.push(
        `the agent counts ${counters.linesAccepted} accepted lines, the collector acknowledged ${oracle.acknowledgedCount}`,
      );
    }
  }

  /** A process that begins now opens nothing and sends nothing: everything is settled. */
  async #expectNothingLeft(): Promise<void> {
    const { problems } = this.#oracle;
    await this.#end();
    const { requestCount } = this.#collector;
    const { openCount } = this.#s3;
    const life = newLife(this.#life.number + 1);
    this.#life = life;
    const agent = this.#createAgent(life, 'oneShot');
    const whole = agent.shipOnce(new AbortController().signal);
    await this.#runUntil(this.#world.nowMs + 10 * minuteMs);
    if (!(await whole)) problems.push('the last listing was not complete');
    if (this.#collector.requestCount !== requestCount) problems.push('a process that had nothing to do sent something');
    if (this.#s3.openCount !== openCount) problems.push('a process that had nothing to do opened objects');
    await agent.close();
    this.#judgeState(this.#state.directory(life.number));
  }

  async #end(): Promise<void> {
    this.#stop.abort(new Error('stopped'));
    await this.#runUntil(this.#world.nowMs + minuteMs);
    await this.#running;
    await this.#agent?.close();
    this.#life.alive = false;
    this.#state.inherit(this.#life.number, this.#life.number + 1, 'kill');
  }

  /** The state holds what is in the bucket, and no more than that. */
  #judgeState(directory: string): void {
    const { problems, occurrenceCount, inFlightLeftCount } = this.#oracle;
    const summary = readDeliverySummary(directory);
    if (summary === undefined) return;
    const keys = this.#bucket.keys;
    const objectCount = summary.partitions.reduce((sum, partition) => sum + partition.objectCount, 0);
    if (objectCount > keys.length)
      problems.push(`the state knows ${objectCount} objects, and there were ${keys.length}`);
    if (keys.some((key) => this.#oracle.isExcused(key))) return;
    const settledCount = summary.partitions.reduce(
      (sum, { acceptedCount, deadLetteredCount }) => sum + acceptedCount + deadLetteredCount,
      0,
    );
    if (settledCount > occurrenceCount || settledCount < occurrenceCount - inFlightLeftCount) {
      problems.push(`the state counts ${settledCount} lines, and there were ${occurrenceCount}`);
    }
  }
}

function configurationOf({ settings }: Plan, stateDirectory: string, letters: string): Configuration {
  const seconds = (milliseconds: number) => `${milliseconds / 1000}s`;
  return loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: 's3://audit-bucket/audit',
    DATABRICKS_AUDIT_STATE: stateDirectory,
    DATABRICKS_AUDIT_DEAD_LETTERS: letters,
    DATABRICKS_AUDIT_POLL_INTERVAL: seconds(settings.pollIntervalMs),
    DATABRICKS_AUDIT_LOOKBACK: `${settings.lookbackDays}d`,
    DATABRICKS_AUDIT_SWEEP_INTERVAL: seconds(settings.sweepIntervalMs),
    DATABRICKS_AUDIT_BATCH_RECORDS: `${settings.batchRecords}`,
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: `${settings.requestsInFlight}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.test:4318',
    OTEL_EXPORTER_OTLP_TIMEOUT: `${requestTimeoutMs}`,
  });
}

/** Compiled once: it holds no state, and a process starts a thousand times a second here. */
const mapper: Mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });

/** Decompression is the one piece of work that real threads do: time stands still until they are done. */
function watchedDecoder(life: Life): Decoder {
  const decoder = createDecoder();
  return {
    createLineSplitter: (startOffsetBytes) => decoder.createLineSplitter(startOffsetBytes),
    async *decompress(chunks) {
      const source = chunks[Symbol.asyncIterator]();
      const waiting: AsyncIterable<Uint8Array> = {
        [Symbol.asyncIterator]: () => ({
          async next() {
            life.busy--;
            try {
              return await source.next();
            } finally {
              life.busy++;
            }
          },
          async return() {
            await source.return?.();
            return { done: true, value: undefined };
          },
        }),
      };
      const decoded = decoder.decompress(waiting)[Symbol.asyncIterator]();
      try {
        for (;;) {
          life.busy++;
          const next = await decoded.next().finally(() => life.busy--);
          if (next.done) return;
          yield next.value;
        }
      } finally {
        await decoded.return?.();
      }
    },
  };
}

function dateOf(key: string): string {
  return /date=([\d-]+)/.exec(key)?.[1] ?? '';
}

function codeOf(fields: object): string {
  return 'err' in fields && isAgentError(fields.err) ? fields.err.code : '';
}
