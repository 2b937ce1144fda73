/**
 * A clock that advances only when the test says so.
 */
import type { Clock } from '../../src/runtime/clock.ts';

interface Sleeper {
  readonly untilMs: number;
  readonly wake: () => void;
}

export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers = new Set<Sleeper>();

  constructor(now: string) {
    this.#nowMs = Date.parse(now);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  random(): number {
    return 0.5;
  }

  sleep(delayMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { untilMs: this.#nowMs + delayMs, wake: resolve };
      this.#sleepers.add(sleeper);
      const abandon = () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      };
      if (signal.aborted) abandon();
      else signal.addEventListener('abort', abandon, { once: true });
    });
  }

  /** Advances the time, and lets everything that is due run until it waits again. */
  async advance(delayMs: number): Promise<void> {
    this.#nowMs += delayMs;
    for (const sleeper of this.#sleepers) {
      if (sleeper.untilMs > this.#nowMs) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
    await settled();
  }
}

/** Resolves when everything that can run without time passing has run. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
