/**
 * A long outage under load, with a real process: the collector goes down, the bucket grows, the collector comes back. The
 * process's resource usage is read from outside, from /proc.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CountingCollector } from './counting-collector.ts';
import { createGrowingDelivery, type GrowingDelivery } from './growing-delivery.ts';

export interface SoakOptions {
  /** The program to run: the command-line interface. */
  readonly cli: string;
  /** An empty directory. */
  readonly directory: string;
  readonly outageMs: number;
  readonly deliveryBytes: number;
  readonly sampleMs: number;
  readonly onSample?: (sample: Sample) => void;
}

export type Phase = 'before' | 'unreachable' | 'overloaded' | 'recovery';

export interface Sample {
  readonly phase: Phase;
  readonly elapsedMs: number;
  readonly residentBytes: number;
  /** Open files, sockets and the like. */
  readonly handles: number;
  readonly stateBytes: number;
  readonly deliveredBytes: number;
  readonly requests: number;
  readonly linesMissing: number;
  readonly date: string;
}

export interface SoakReport {
  readonly samples: readonly Sample[];
  readonly lineCount: number;
  readonly recoveryMs: number;
  /** Empty if everything is in order. */
  readonly problems: readonly string[];
}

const mebibyte = 1_048_576;
/** A recovery without progress for this long has failed. */
const stuckMs = 90_000;
const [beforePart, requestsAtOnce] = [0.02, 4];

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const run = new SoakRun(options);
  try {
    return await run.run();
  } finally {
    await run.end();
  }
}

class SoakRun {
  readonly #options: SoakOptions;
  readonly #state: string;
  readonly #delivery: GrowingDelivery;
  readonly #collector: CountingCollector;
  readonly #samples: Sample[] = [];
  readonly #startedMs = performance.now();
  #agent: ChildProcess | undefined;
  #log = '';

  constructor(options: SoakOptions) {
    this.#options = options;
    this.#state = join(options.directory, 'state');
    const bucket = join(options.directory, 'bucket');
    mkdirSync(bucket);
    this.#delivery = createGrowingDelivery(bucket, options.deliveryBytes);
    this.#collector = new CountingCollector(this.#delivery);
  }

  async run(): Promise<SoakReport> {
    const { outageMs, deliveryBytes } = this.#options;
    await this.#collector.start();
    this.#agent = this.#startAgent();
    this.#delivery.growTo(beforePart * deliveryBytes);
    await this.#untilReceived('before');
    this.#collector.stop();
    await this.#grow('unreachable', outageMs / 2, deliveryBytes / 2);
    this.#collector.overloaded = true;
    await this.#collector.start();
    const requestsBefore = this.#collector.requestCount;
    await this.#grow('overloaded', outageMs / 2, deliveryBytes);
    const requestsInOverload = this.#collector.requestCount - requestsBefore;
    this.#collector.overloaded = false;
    const recoveryStartMs = performance.now();
    await this.#untilReceived('recovery');
    const recoveryMs = performance.now() - recoveryStartMs;
    const exitCode = await this.#stopAgent();
    const problems = [...this.#outageProblems(requestsInOverload), ...this.#deliveryProblems(exitCode)];
    return { samples: this.#samples, lineCount: this.#delivery.lineCount, recoveryMs, problems };
  }

  async end(): Promise<void> {
    this.#collector.stop();
    if (this.#agent?.exitCode !== null || this.#agent.signalCode !== null) return;
    this.#agent.kill('SIGKILL');
    await once(this.#agent, 'close');
  }

  #startAgent(): ChildProcess {
    const agent = spawn(process.execPath, [this.#options.cli, 'run'], {
      env: {
        PATH: process.env.PATH ?? '',
        DATABRICKS_AUDIT_SOURCE: join(this.#options.directory, 'bucket'),
        DATABRICKS_AUDIT_STATE: this.#state,
        DATABRICKS_AUDIT_POLL_INTERVAL: '1s',
        DATABRICKS_AUDIT_LOOKBACK: '30d',
        OTEL_EXPORTER_OTLP_ENDPOINT: this.#collector.url,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    agent.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-10_000);
    });
    return agent;
  }

  /** The collector accepts nothing, and the delivery grows steadily. */
  async #grow(phase: Phase, durationMs: number, targetBytes: number): Promise<void> {
    const startBytes = this.#delivery.sizeBytes;
    const startMs = performance.now();
    for (let part = 0; part < 1; ) {
      part = Math.min(1, (performance.now() - startMs) / durationMs);
      this.#delivery.growTo(startBytes + part * (targetBytes - startBytes));
      await this.#sample(phase);
    }
  }

  async #untilReceived(phase: Phase): Promise<void> {
    let bestCount = this.#collector.lineCount;
    let bestAtMs = performance.now();
    while (this.#collector.lineCount < this.#delivery.lineCount) {
      await this.#sample(phase);
      if (this.#collector.lineCount > bestCount) {
        bestCount = this.#collector.lineCount;
        bestAtMs = performance.now();
      } else if (performance.now() - bestAtMs > stuckMs) {
        throw new Error(`Nothing came for ${stuckMs / 1000} s (${phase}); the agent's log ends with\n${this.#log}`);
      }
    }
  }

  async #sample(phase: Phase): Promise<void> {
    await delay(this.#options.sampleMs);
    const process = `/proc/${this.#agent?.pid}`;
    if (!existsSync(process)) throw new Error(`The agent ended by itself:\n${this.#log}`);
    const residentKibibytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${process}/status`, 'utf8'))?.[1];
    const sample: Sample = {
      phase,
      elapsedMs: performance.now() - this.#startedMs,
      residentBytes: Number(residentKibibytes) * 1024,
      handles: readdirSync(`${process}/fd`).length,
      stateBytes: directoryBytes(this.#state),
      deliveredBytes: this.#delivery.sizeBytes,
      requests: this.#collector.requestCount,
      linesMissing: this.#delivery.lineCount - this.#collector.lineCount,
      date: this.#collector.progress,
    };
    this.#samples.push(sample);
    this.#options.onSample?.(sample);
  }

  async #stopAgent(): Promise<number | null> {
    const agent = this.#agent;
    if (agent === undefined) return null;
    agent.kill('SIGTERM');
    if (agent.exitCode === null) await once(agent, 'close');
    return agent.exitCode;
  }

  /** Resource usage must not depend on how long the outage lasts or how much is delivered in the meantime. */
  #outageProblems(requestsInOverload: number): string[] {
    const outage = this.#samples.filter(({ phase }) => phase === 'unreachable' || phase === 'overloaded');
    const early = outage.slice(Math.floor(outage.length / 4), Math.floor(outage.length / 2));
    const late = outage.slice(Math.floor((3 * outage.length) / 4));
    const growth = (take: (sample: Sample) => number) => median(late.map(take)) - median(early.map(take));
    // Each request waits longer after each attempt; the halves of a request that failed five times start anew.
    const requestsMax = requestsAtOnce * (5 + this.#options.outageMs / 2 / 1_500);
    return [
      limit('the memory grew in the outage by MiB', growth(({ residentBytes }) => residentBytes) / mebibyte, 24),
      limit('the state grew in the outage by MiB', growth(({ stateBytes }) => stateBytes) / mebibyte, 1),
      limit(
        'the handles grew in the outage by',
        growth(({ handles }) => handles),
        8,
      ),
      limit('requests while the collector was overloaded', requestsInOverload, requestsMax),
    ].flatMap((problem) => problem ?? []);
  }

  #deliveryProblems(exitCode: number | null): string[] {
    const letters = join(this.#state, 'dead-letters');
    return [
      limit('lines came twice', this.#collector.repeatCount, 0),
      limit('lines came behind those of a later date', this.#collector.outOfOrderCount, 0),
      limit('dead-letter files', existsSync(letters) ? readdirSync(letters).length : 0, 0),
      exitCode === 0 ? undefined : `the agent ended with ${exitCode} when it was told to stop`,
    ].flatMap((problem) => problem ?? []);
  }
}

function limit(what: string, value: number, max: number): string | undefined {
  return value > max ? `${what}: ${Math.round(value * 10) / 10}, at most ${Math.round(max)} expected` : undefined;
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;
}

function directoryBytes(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { name }) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
