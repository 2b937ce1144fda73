/**
 * Time and randomness, injected so that tests and simulations control both.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  nowMs(): number;
  /** At least 0 and less than 1. */
  random(): number;
  /** Resolves after the delay, or rejects with the signal's reason if the signal aborts first. */
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

/** The same clock, except that every sleep also ends when `signal` aborts. */
export function clockUntil(signal: AbortSignal, clock: Clock): Clock {
  return {
    nowMs: () => clock.nowMs(),
    random: () => clock.random(),
    sleep: (delayMs, other) => clock.sleep(delayMs, AbortSignal.any([signal, other])),
  };
}

/** The UTC date (`yyyy-mm-dd`) `daysBefore` days before the given time. */
export function utcDate(timeMs: number, daysBefore = 0): string {
  const millisecondsPerDay = 86_400_000;
  return new Date(timeMs - daysBefore * millisecondsPerDay).toISOString().slice(0, 10);
}
