/**
 * Runs one plan with several replicas: their real code, on a store that is as hostile as can be.
 */
import { utcDate } from '../../../src/runtime/clock.ts';
import { Faults } from './faults.ts';
import { HostileItems, HostileStore } from './hostile-store.ts';
import { ModelBucket } from './model-bucket.ts';
import { ModelCollector } from './model-collector.ts';
import { ModelDisk } from './model-disk.ts';
import { ModelS3 } from './model-s3.ts';
import { type Delivery, type Plan, type ReplicaSettings, startMs } from './plan.ts';
import { ReplicaLives } from './replica-lives.ts';
import { ReplicaOracle } from './replica-oracle.ts';
import { createSimulatedReplica } from './simulated-agent.ts';
import type { Outcome } from './simulation.ts';
import { type Life, newLife, World } from './world.ts';

const minuteMs = 60_000;

export async function simulateReplicas(
  plan: Plan,
  settings: ReplicaSettings,
  log?: (line: string) => void,
): Promise<Outcome> {
  return await new ReplicaSimulation(plan, settings, log).run();
}

class ReplicaSimulation {
  readonly #plan: Plan;
  readonly #settings: ReplicaSettings;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #bucket: ModelBucket;
  readonly #s3: ModelS3;
  readonly #collector: ModelCollector;
  readonly #letters: ModelDisk;
  readonly #items: HostileItems;
  readonly #oracle: ReplicaOracle;
  readonly #replicas: readonly ReplicaLives[];
  readonly #rewritten = new Set<string>();
  readonly #lives: Life[] = [];
  #idCount = 0;

  constructor(plan: Plan, settings: ReplicaSettings, log: ((line: string) => void) | undefined) {
    this.#plan = plan;
    this.#settings = settings;
    this.#world = new World(plan.seed, log);
    this.#faults = new Faults(this.#world, plan);
    this.#bucket = new ModelBucket(plan.settings);
    const isForgotten = (key: string) => this.#rewritten.has(key) && !this.#isRecent(key);
    const nowMs = () => this.#world.nowMs;
    const leaseMs = 3 * settings.lookIntervalMs;
    const lifeOf = (owner: string) => Number(owner.split('-')[1]);
    this.#oracle = new ReplicaOracle(this.#bucket, plan.settings, nowMs, isForgotten, lifeOf, leaseMs);
    this.#s3 = new ModelS3(this.#world, this.#bucket, this.#faults, plan.settings);
    this.#collector = new ModelCollector(this.#world, this.#faults, plan.settings, this.#oracle);
    this.#letters = new ModelDisk(this.#world, this.#faults, (text, life) =>
      this.#oracle.deadLettered(text, life.number),
    );
    this.#items = new HostileItems(this.#world, (entry, items) => {
      if (entry.key.partition === 'meta')
        this.#oracle.useSecret(Uint8Array.from(Buffer.from(String(JSON.parse(entry.value).hashSecret), 'base64')));
      this.#oracle.written(entry, items);
    });
    this.#replicas = settings.clocksAheadMs.map(
      (aheadMs, index) =>
        new ReplicaLives({
          world: this.#world,
          problems: this.#oracle.problems,
          newLife: () => this.#newLife(index),
          createAgent: (life, mode) => this.#createAgent(life, mode, aheadMs),
          died: (life, requestsArrive) => this.#collector.senderDied(requestsArrive, life),
        }),
    );
  }

  async run(): Promise<Outcome> {
    const world = this.#world;
    world.onCallEnd = (kind, life) => {
      for (const replica of this.#replicas) {
        const death = replica.deathAt(kind, life);
        if (death !== undefined) return death;
      }
      return undefined;
    };
    for (const step of this.#plan.steps) {
      const atMs = startMs + step.atMs;
      if (step.kind === 'deliver') world.at(atMs, () => this.#deliver(step));
      if (step.kind === 'death') world.at(atMs, () => this.#replicas[step.replica ?? 0]?.arm(step));
      if (step.kind === 'stop') world.at(atMs, () => this.#replicas[step.replica]?.pause(step.forMs));
    }
    for (const replica of this.#replicas) replica.start();
    const lastStepMs = startMs + Math.max(0, ...this.#plan.steps.map(({ atMs }) => atMs));
    await this.#runUntil(Math.max(lastStepMs, this.#faults.endMs));
    for (const replica of this.#replicas) replica.disarm();
    for (let untilMs = this.#allRunMs(); untilMs > world.nowMs; untilMs = this.#allRunMs())
      await this.#runUntil(untilMs);
    await this.#runUntil(world.nowMs + this.#quietMs());
    this.#judge();
    await this.#expectNothingLeft();
    const { problems } = this.#oracle;
    return {
      problems,
      traceHash: world.traceHash,
      simulatedMs: world.nowMs - startMs,
      faultCount: this.#plan.steps.filter(({ kind }) => kind !== 'deliver' && kind !== 'death').length,
      deathCount: this.#replicas.reduce((sum, { deathCount }) => sum + deathCount, 0),
      callCount: world.callCount,
      lineCount: this.#oracle.occurrenceCount,
      repeatCount: this.#oracle.repeatCount,
      takeoverCount: this.#oracle.takeoverCount,
    };
  }

  /** When no replica is stopped or down any more, as far as is known: one that still ends its requests is down later than that. */
  #allRunMs(): number {
    const stoppedUntilMs = this.#lives.map((life) => life.stoppedUntilMs);
    return Math.max(...stoppedUntilMs, ...this.#replicas.map(({ startsAgainMs }) => startsAgainMs));
  }

  #newLife(replica?: number): Life {
    const life = newLife(this.#lives.length + 1, replica);
    this.#lives.push(life);
    return life;
  }

  #createAgent(life: Life, mode: 'longRunning' | 'oneShot', aheadMs: number) {
    return createSimulatedReplica(
      {
        plan: this.#plan,
        world: this.#world,
        faults: this.#faults,
        s3: this.#s3,
        collector: this.#collector,
        letters: this.#letters,
      },
      life,
      {
        mode,
        aheadMs,
        onSentAgain: (key) => this.#sentAgain(key),
        sharing: {
          openStore: async () => new HostileStore(this.#items, this.#world, life, this.#faults),
          // The first eight characters are unique; the rest tells the oracle whose it is.
          newId: () => `${String(++this.#idCount).padStart(8, '0')}-${life.number}`,
          lookIntervalMs: this.#settings.lookIntervalMs,
        },
      },
    );
  }

  async #runUntil(endMs: number): Promise<void> {
    const lives = this.#lives;
    const all = {
      alive: true,
      get busy() {
        return lives.reduce((sum, life) => sum + (life.alive ? life.busy : 0), 0);
      },
    };
    await this.#world.runUntil(endMs, () => all);
  }

  #deliver(step: Delivery): void {
    this.#bucket.deliver(step, this.#world.nowMs);
    if (step.change !== 'extend' && step.change !== 'same') this.#rewritten.add(step.key);
    this.#world.note(`${step.key}: ${step.change}`);
  }

  /** The maximum time until everything is shipped once there are no more faults. */
  #quietMs(): number {
    const { pollIntervalMs, sweepIntervalMs } = this.#plan.settings;
    const leaseMs = 5 * this.#settings.lookIntervalMs;
    // An object that was taken over several times waits.
    const crashingMs = 40 * minuteMs;
    return 4 * pollIntervalMs + 30 * minuteMs + leaseMs + crashingMs + 2 * sweepIntervalMs + 20 * pollIntervalMs;
  }

  #sentAgain(key: string): void {
    if (this.#isRecent(key)) this.#oracle.problems.push(`${key} is sent again within the look-back`);
  }

  /** By the clock that is furthest ahead. */
  #isRecent(key: string): boolean {
    const date = /date=([\d-]+)/.exec(key)?.[1] ?? '';
    const aheadMs = Math.max(0, ...this.#settings.clocksAheadMs);
    return date >= utcDate(this.#faults.latestClockMs + aheadMs, this.#plan.settings.lookbackDays);
  }

  #judge(): void {
    const oracle = this.#oracle;
    oracle.noteDeadLetters(this.#letters.contents);
    for (const key of this.#bucket.keys) {
      const version = this.#bucket.current(key);
      if (version !== undefined) oracle.expectDelivered(version, 'at the end');
    }
    oracle.expectNothingInvented();
    for (const replica of this.#replicas) {
      const {
        linesInFlight = -1,
        linesRead = 0,
        linesNew = 0,
        linesAlreadyShipped = 0,
      } = replica.agent?.counters ?? {};
      if (linesInFlight !== 0) oracle.problems.push(`${linesInFlight} lines are in flight at the end`);
      if (linesRead !== linesNew + linesAlreadyShipped)
        oracle.problems.push('lines read are not new + already shipped');
    }
    oracle.expectSettledOnce(this.#items);
  }

  /** A process that starts now opens nothing and sends nothing: everything is settled. */
  async #expectNothingLeft(): Promise<void> {
    const oracle = this.#oracle;
    const [recordsBefore, opensBefore] = [this.#collector.recordCount, this.#s3.openCount];
    const ending = Promise.all(this.#replicas.map((replica) => replica.end()));
    await this.#runUntil(this.#world.nowMs + minuteMs);
    await ending;
    const agent = this.#createAgent(this.#newLife(), 'oneShot', 0);
    const shipping = agent.then((opened) => opened.shipOnce(new AbortController().signal));
    await this.#runUntil(this.#world.nowMs + 10 * minuteMs);
    if (!(await shipping)) oracle.problems.push('the last listing was not complete');
    const closing = agent.then((opened) => opened.close());
    await this.#runUntil(this.#world.nowMs + minuteMs);
    await closing;
    if (this.#collector.recordCount !== recordsBefore) oracle.problems.push('with nothing to do, something was sent');
    if (this.#s3.openCount !== opensBefore) oracle.problems.push('with nothing to do, objects were opened');
    const left = [...this.#items.registers.values()].filter(({ key }) => key.partition === 'replicas');
    const alive = left.filter(({ key }) => this.#lives.at(-1)?.number === Number(key.sort.split('-')[1]));
    if (alive.length > 0) oracle.problems.push('a process that was stopped has left its counter');
  }
}
