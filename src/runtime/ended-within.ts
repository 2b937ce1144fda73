/**
 * Bounds how long a wait takes when the work itself cannot be stopped.
 */
import type { Clock } from './clock.ts';

/** Settles as the work does, or resolves after the time. Rejects with the signal's reason if that aborts first. The work itself continues. */
export async function endedWithin(
  boundMs: number,
  work: Promise<unknown>,
  clock: Clock,
  signal?: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  const signals = signal === undefined ? [ended.signal] : [ended.signal, signal];
  try {
    await Promise.race([work, clock.sleep(boundMs, AbortSignal.any(signals))]);
  } finally {
    ended.abort();
  }
}
