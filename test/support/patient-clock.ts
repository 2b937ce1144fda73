/**
 * A clock on which waiting takes no time, and which tells how long one would have waited.
 */
import type { Clock } from '../../src/runtime/clock.ts';

export interface PatientClock extends Clock {
  readonly sleptMs: readonly number[];
}

export function patientClock(): PatientClock {
  const sleptMs: number[] = [];
  return {
    sleptMs,
    nowMs: () => Date.now(),
    random: () => 1,
    async sleep(delayMs, signal) {
      signal.throwIfAborted();
      sleptMs.push(delayMs);
    },
  };
}
