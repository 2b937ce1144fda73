/**
 * Repeats a request to a service a few times, with backoff. What still fails then is left to the next listing.
 */
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';

const attemptsMax = 3;
const backoff: BackoffPolicy = { initialMs: 500, maxMs: 8_000 };
/** A longer `Retry-After` is longer than it takes until the next listing, or nearly. */
const waitMaxMs = 30_000;

export interface Retry {
  /** From `Retry-After`; undefined for a backoff. */
  readonly afterMs: number | undefined;
}

/**
 * @param retryOf whether and when to try again after an error; undefined if trying again is useless.
 * Rejects with the last error, or with the signal's reason.
 */
export async function withRetries<Result>(
  action: () => Promise<Result>,
  retryOf: (error: unknown) => Retry | undefined,
  clock: Clock,
  signal: AbortSignal,
): Promise<Result> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      signal.throwIfAborted();
      const retry = attempt + 1 < attemptsMax ? retryOf(error) : undefined;
      const delayMs = Math.max(retry?.afterMs ?? 0, backoffMs(backoff, attempt, clock));
      if (retry === undefined || delayMs > waitMaxMs) throw error;
      await clock.sleep(delayMs, signal);
    }
  }
}
