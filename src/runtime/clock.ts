/**
 * Time and chance, passed in so that tests and simulations decide them.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  nowMs(): number;
  /** From 0 up to, not including, 1. */
  random(): number;
  /** Resolves after the delay; rejects with the signal's reason when it is aborted first. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  random: () => Math.random(),
  async sleep(delayMs, signal) {
    signal.throwIfAborted();
    try {
      await delay(delayMs, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  },
};

/** The same clock, on which nobody sleeps any more once the signal is aborted. */
export function clockUntil(signal: AbortSignal, clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    random: () => clock.random(),
    sleep: (delayMs, other) => clock.sleep(delayMs, AbortSignal.any([signal, other])),
  };
}

/** The UTC date, `yyyy-mm-dd`, that is `daysBefore` days before the time. */
export function utcDate(timeMs: number, daysBefore = 0): string {
  const millisecondsPerDay = 86_400_000;
  return new Date(timeMs - daysBefore * millisecondsPerDay).toISOString().slice(0, 10);
}
