/**
 * Time, and the order in which calls complete. Every call that leaves the agent's process completes here: one at a time, in virtual
 * time, and before the next one completes, the process runs until it waits again. So a seed always gives the same history.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Clock } from '../../../src/runtime/clock.ts';
import { Chance } from './chance.ts';
import { type CallKind, startMs } from './plan.ts';

interface Call {
  atMs: number;
  readonly kind: CallKind | 'plan';
  /** Undefined for a step of the plan. */
  readonly life: Life | undefined;
  readonly end: () => void;
}

/** One process. Once it is dead, its calls never complete, and nothing that it does has an effect. */
export interface Life {
  readonly number: number;
  /** Of which replica it is a process; undefined if there is only one. */
  readonly replica: number | undefined;
  alive: boolean;
  /** Work of real threads that must be done before the next call completes. */
  busy: number;
  /** Bodies of objects that it is reading. */
  openBodies: number;
  /** Stopped until then, as by SIGSTOP: its calls complete, but it does not notice. */
  stoppedUntilMs: number;
}

export function newLife(number: number, replica?: number): Life {
  return { number, replica, alive: true, busy: 0, openBodies: 0, stoppedUntilMs: 0 };
}

export class World {
  nowMs = startMs;
  callCount = 0;
  readonly #seed: number;
  readonly #calls = new Set<Call>();
  readonly #chances = new Map<string, Chance>();
  readonly #trace: Hash = createHash('sha256');
  readonly #log: ((line: string) => void) | undefined;
  /** Called when a call is complete, before the process continues. Returns whether the process dies, and after how many microtasks. */
  onCallEnd: (kind: CallKind, life: Life | undefined) => { readonly microtasks: number; kill(): void } | undefined =
    () => undefined;

  constructor(seed: number, log?: (line: string) => void) {
    this.#seed = seed;
    this.#log = log;
  }

  get traceHash(): string {
    return this.#trace.copy().digest('hex').slice(0, 16);
  }

  /** Each purpose has its own random numbers, so that purposes do not affect each other. */
  chance(purpose: string): Chance {
    const chance = this.#chances.get(purpose) ?? new Chance(`${this.#seed} ${purpose}`);
    this.#chances.set(purpose, chance);
    return chance;
  }

  note(text: string): void {
    const line = `${new Date(this.nowMs).toISOString()} ${text}`;
    this.#trace.update(`${line}\n`);
    this.#log?.(line);
  }

  /** A step of the plan. */
  at(atMs: number, end: () => void): void {
    this.#calls.add({ atMs, kind: 'plan', life: undefined, end });
  }

  /** Resolves when the call is complete, if the process is still alive; rejects if the signal aborts first. */
  call(life: Life, kind: CallKind, takesMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        this.#calls.delete(call);
        reject(signal?.reason);
      };
      const call: Call = {
        atMs: this.nowMs + takesMs,
        kind,
        life,
        end: () => {
          signal?.removeEventListener('abort', abort);
          if (life.alive) resolve();
        },
      };
      this.#calls.add(call);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** How long a call takes: mostly some milliseconds, now and then seconds. */
  latencyMs(kind: CallKind): number {
    const chance = this.chance(`latency of ${kind}`);
    const base = chance.happens(0.05) ? 3000 : 40;
    return 1 + base * chance.next();
  }

  /** @param aheadMs how far it is ahead; it still advances. */
  clockOf(life: Life, aheadMs: () => number): Clock {
    const chance = this.chance(`clock of life ${life.number}`);
    return {
      nowMs: () => Math.floor(this.nowMs + aheadMs()),
      random: () => chance.next(),
      sleep: (delayMs, signal) => this.call(life, 'sleep', delayMs, signal),
    };
  }

  /** Lets time pass until then. */
  async runUntil(endMs: number, currentLife: () => Pick<Life, 'alive' | 'busy'> | undefined): Promise<void> {
    await quiet(currentLife());
    for (;;) {
      const call = this.#next();
      if (call === undefined || call.atMs > endMs) break;
      if (call.life !== undefined && call.life.stoppedUntilMs > call.atMs) {
        call.atMs = call.life.stoppedUntilMs;
        continue;
      }
      this.#calls.delete(call);
      this.nowMs = Math.max(this.nowMs, call.atMs);
      this.callCount++;
      call.end();
      const death = call.kind === 'plan' ? undefined : this.onCallEnd(call.kind, call.life);
      if (death !== undefined) {
        for (let microtask = 0; microtask < death.microtasks; microtask++) await undefined;
        death.kill();
      }
      await quiet(currentLife());
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  #next(): Call | undefined {
    let next: Call | undefined;
    for (const call of this.#calls) if (next === undefined || call.atMs < next.atMs) next = call;
    return next;
  }
}

/** The state commits at the end of a turn of the event loop, and what waits for that may add more to commit. */
const idleTurns = 4;

/** Resolves when the process waits only for the world. */
async function quiet(life: Pick<Life, 'alive' | 'busy'> | undefined): Promise<void> {
  for (let idle = 0; idle < idleTurns; idle++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (life?.alive && life.busy > 0) idle = -1;
  }
}
