/**
 * Runs one plan: the agent's real code in a world of models, from the first delivery until everything has settled after the last
 * fault. The oracle judges the result.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDeliverySummary } from '../../../src/delivery/index.ts';
import { utcDate } from '../../../src/runtime/clock.ts';
import { ContestedState } from './contested-state.ts';
import { Faults } from './faults.ts';
import { Lives } from './lives.ts';
import { ModelBucket } from './model-bucket.ts';
import { ModelCollector } from './model-collector.ts';
import { ModelDisk } from './model-disk.ts';
import { ModelFiles } from './model-files.ts';
import { ModelQueue } from './model-queue.ts';
import { ModelS3 } from './model-s3.ts';
import { Oracle } from './oracle.ts';
import { type Delivery, type Plan, startMs } from './plan.ts';
import { simulateReplicas } from './replica-simulation.ts';
import { bucketName, type Models } from './simulated-agent.ts';
import { SimulatedState } from './simulated-state.ts';
import { World } from './world.ts';

export interface Outcome {
  /** Empty if every guarantee was kept. */
  readonly problems: readonly string[];
  readonly traceHash: string;
  readonly simulatedMs: number;
  /** The number of temporary faults. */
  readonly faultCount: number;
  /** Processes that were killed, lost power or were stopped. */
  readonly deathCount: number;
  readonly callCount: number;
  readonly lineCount: number;
  /** Lines that were sent again after they were done. */
  readonly repeatCount: number;
  /** Objects with announced lines that another process claimed. */
  readonly takeoverCount?: number | undefined;
}

export type StateKind = 'sqlite' | 'contested';

const minuteMs = 60_000;
/** Six objects of recent dates, six of notifications and three of older ones are read in parallel. */
const openBodiesMax = 15;

/** @param state `contested`: other replicas take claims away. */
export async function simulate(
  plan: Plan,
  log?: (line: string) => void,
  state: StateKind = 'sqlite',
): Promise<Outcome> {
  const { replicas } = plan.settings;
  if (replicas !== undefined) return await simulateReplicas(plan, replicas, log);
  const memory = '/dev/shm';
  const root = mkdtempSync(join(existsSync(memory) ? memory : tmpdir(), 'databricks-audit-simulation-'));
  try {
    return await new Simulation(plan, root, log, state).run();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

class Simulation {
  readonly #models: Models;
  readonly #lives: Lives;
  /** Objects that changed in other ways than growing. */
  readonly #rewritten = new Set<string>();

  constructor(plan: Plan, root: string, log: ((line: string) => void) | undefined, stateKind: StateKind) {
    const world = new World(plan.seed, log);
    const faults = new Faults(world, plan);
    const bucket = new ModelBucket(plan.settings);
    const isForgotten = (key: string) => this.#rewritten.has(key) && !this.#isRecent(key);
    const oracle = new Oracle(bucket, plan.settings, () => world.nowMs, isForgotten);
    const s3 = new ModelS3(world, bucket, faults, plan.settings);
    const files = new ModelFiles(world, bucket, faults, plan.settings);
    const collector = new ModelCollector(world, faults, plan.settings, oracle);
    const letters = new ModelDisk(world, faults, (text) => oracle.deadLettered(text, this.#lives.current.number));
    const state = new SimulatedState(root, world, faults, () => this.#lives.committed());
    const contested =
      stateKind === 'contested'
        ? new ContestedState(world, Math.max(lastStepMsOf(plan), faults.endMs), oracle)
        : undefined;
    const queue =
      plan.settings.queue && plan.settings.bucket !== 'files'
        ? new ModelQueue({
            world,
            bucket,
            letters,
            oracle,
            bucketName,
            waitMs: Math.max(20_000, plan.settings.pollIntervalMs / 4),
            untilMs: Math.max(lastStepMsOf(plan), faults.endMs),
          })
        : undefined;
    this.#models = {
      plan,
      root,
      world,
      faults,
      bucket,
      s3,
      queue,
      files,
      collector,
      letters,
      state,
      contested,
      oracle,
    };
    this.#lives = new Lives(this.#models, (key) => this.#sentAgain(key));
  }

  async run(): Promise<Outcome> {
    const { plan, world, faults, oracle } = this.#models;
    const lives = this.#lives;
    world.onCallEnd = (kind) => {
      this.#observe();
      return lives.deathAt(kind);
    };
    for (const step of plan.steps) {
      if (step.kind === 'deliver') world.at(startMs + step.atMs, () => this.#deliver(step));
      if (step.kind === 'death') world.at(startMs + step.atMs, () => lives.arm(step));
    }
    lives.start();
    await this.#runUntil(Math.max(lastStepMsOf(plan), faults.endMs));
    lives.disarm();
    await this.#runUntil(lives.startsAgainMs);
    await this.#runUntil(world.nowMs + this.#quietMs('older'));
    this.#models.queue?.expectEmpty();
    this.#judge();
    await this.#expectNothingLeft();
    return {
      problems: oracle.problems,
      traceHash: world.traceHash,
      simulatedMs: world.nowMs - startMs,
      faultCount: plan.steps.filter(({ kind }) => kind !== 'deliver' && kind !== 'death').length,
      deathCount: lives.deathCount,
      callCount: world.callCount,
      lineCount: oracle.occurrenceCount,
      repeatCount: oracle.repeatCount,
    };
  }

  async #runUntil(endMs: number): Promise<void> {
    await this.#models.world.runUntil(endMs, () => this.#lives.current);
  }

  #deliver(step: Delivery): void {
    const { world, bucket, queue } = this.#models;
    const { key, change } = step;
    this.#expectDelivered(key);
    bucket.deliver(step, world.nowMs);
    if (change !== 'extend' && change !== 'same') this.#rewritten.add(key);
    world.note(`${key}: ${change}`);
    queue?.changed(key, change === 'delete' ? 'ObjectRemoved:Delete' : 'ObjectCreated:Put');
    if (change !== 'extend' || step.torn === undefined) return;
    // A half-written line that counted as complete is a different line once it is complete.
    this.#rewritten.add(key);
    world.at(world.nowMs + step.torn.pauseMs, () => {
      this.#expectDelivered(key);
      bucket.writeRest(key, world.nowMs);
      world.note(`${key}: the rest`);
    });
  }

  /** The version that is about to be overwritten, if it existed for long enough. */
  #expectDelivered(key: string): void {
    const { bucket, oracle, letters } = this.#models;
    const before = bucket.current(key);
    if (before === undefined || !this.#hadItsTime(before.fromMs, key)) return;
    oracle.noteDeadLetters(letters.contents);
    oracle.expectDelivered(before, 'before it was overwritten');
  }

  /** True if the version existed for long enough without faults that every line of it must have been shipped. */
  #hadItsTime(fromMs: number, key: string): boolean {
    const { world, faults, contested } = this.#models;
    if (contested !== undefined) return false; // Other replicas interfere until the faults end.
    const { current, upSinceMs } = this.#lives;
    const sinceMs = world.nowMs - this.#quietMs(this.#isRecent(key) ? 'recent' : 'older');
    return current.alive && fromMs < sinceMs && upSinceMs < sinceMs && faults.noneSince(sinceMs);
  }

  /** The maximum time until everything is shipped once there are no more faults. */
  #quietMs(dates: 'recent' | 'older'): number {
    const { pollIntervalMs, sweepIntervalMs, bucket } = this.#models.plan.settings;
    const recentMs = 3 * pollIntervalMs + 30 * minuteMs;
    // The last line of a file counts as complete once two listings found it unchanged.
    const sweeps = bucket === 'files' ? 3 : 1;
    return dates === 'recent' ? recentMs : recentMs + sweeps * sweepIntervalMs + 10 * pollIntervalMs;
  }

  /** The agent reports that it sends an object again, which is correct only beyond the lookback window. */
  #sentAgain(key: string): void {
    if (this.#isRecent(key)) this.#models.oracle.problems.push(`${key} is sent again within the look-back`);
  }

  /** Line hashes of what was once beyond the lookback window, according to a clock that was ahead, were dropped. */
  #isRecent(key: string): boolean {
    const { faults, plan } = this.#models;
    const date = /date=([\d-]+)/.exec(key)?.[1] ?? '';
    return date >= utcDate(faults.latestClockMs, plan.settings.lookbackDays);
  }

  /** Invariants that hold at every moment. */
  #observe(): void {
    const { agent, current } = this.#lives;
    if (agent === undefined || !current.alive) return;
    const { linesRead, linesNew, linesAlreadyShipped, linesInFlight } = agent.counters;
    const { batchRecords, requestsInFlight } = this.#models.plan.settings;
    const { problems } = this.#models.oracle;
    if (linesRead !== linesNew + linesAlreadyShipped) problems.push('lines read are not new + already shipped');
    if (linesInFlight < 0 || linesInFlight > batchRecords * requestsInFlight) {
      problems.push(`${linesInFlight} lines are in flight`);
    }
    if (current.openBodies > openBodiesMax) problems.push(`${current.openBodies} bodies are open`);
  }

  #judge(): void {
    const { bucket, oracle, letters } = this.#models;
    oracle.noteDeadLetters(letters.contents);
    for (const key of bucket.keys) {
      const version = bucket.current(key);
      if (version !== undefined) oracle.expectDelivered(version, 'at the end');
    }
    oracle.expectNothingInvented();
    const { linesAccepted, linesInFlight } = this.#lives.agent?.counters ?? { linesAccepted: -1, linesInFlight: -1 };
    if (linesInFlight !== 0) oracle.problems.push(`${linesInFlight} lines are in flight at the end`);
    else if (
      this.#lives.abandonedCount === 0
        ? linesAccepted !== oracle.acknowledgedCount
        : linesAccepted > oracle.acknowledgedCount
    ) {
      oracle.problems.push(
        `the agent counts ${linesAccepted} accepted lines, the collector acknowledged ${oracle.acknowledgedCount}`,
      );
    }
  }

  /** A process that starts now opens nothing and sends nothing: everything is settled. */
  async #expectNothingLeft(): Promise<void> {
    const { world, collector, s3, files, state, oracle } = this.#models;
    const openCount = () => s3.openCount + files.openCount;
    const [requestsBefore, opensBefore] = [collector.requestCount, openCount()];
    const { isComplete } = await this.#lives.endWithOneShot((durationMs) => this.#runUntil(world.nowMs + durationMs));
    if (!isComplete) oracle.problems.push('the last listing was not complete');
    if (collector.requestCount !== requestsBefore) oracle.problems.push('with nothing to do, something was sent');
    if (openCount() !== opensBefore) oracle.problems.push('with nothing to do, objects were opened');
    await this.#judgeState(state.directory(this.#lives.current.number));
  }

  /** The state contains what is in the bucket, and nothing else. */
  async #judgeState(directory: string): Promise<void> {
    const { bucket, oracle, contested } = this.#models;
    const { problems, occurrenceCount, mayRepeatCount } = oracle;
    const summary = contested?.summary() ?? (await sqliteSummary(directory));
    if (summary === undefined) return;
    const { objectCount, settledCount, announcedBatchCount } = summary;
    if (objectCount > bucket.keys.length) problems.push(`the state knows ${objectCount} objects`);
    // Lines that were in flight at a crash and are missing since stay announced, in case they come back.
    if (announcedBatchCount > 0 && !bucket.keys.some((key) => bucket.lostLines(key))) {
      problems.push(`${announcedBatchCount} announcements are left in the state`);
    }
    if (bucket.keys.some((key) => oracle.isExcused(key))) return;
    if (settledCount > occurrenceCount || settledCount < occurrenceCount - mayRepeatCount) {
      problems.push(`the state counts ${settledCount} lines, and there were ${occurrenceCount}`);
    }
  }
}

function lastStepMsOf({ steps }: Plan): number {
  return startMs + Math.max(0, ...steps.map(({ atMs }) => atMs));
}

async function sqliteSummary(directory: string): Promise<ReturnType<ContestedState['summary']> | undefined> {
  const summary = await readDeliverySummary(directory);
  if (summary === undefined) return undefined;
  const { partitions, announcedBatchCount } = summary;
  return {
    objectCount: partitions.reduce((sum, { objectCount }) => sum + objectCount, 0),
    settledCount: partitions.reduce((sum, one) => sum + one.acceptedCount + one.deadLetteredCount, 0),
    announcedBatchCount,
  };
}
