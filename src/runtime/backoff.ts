/**
 * How long to wait before the next attempt.
 */
import type { Clock } from './clock.ts';

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * Exponential backoff with half of it jittered, so that many agents that lost one collector do not come back in step.
 * @param attempt 0 for the wait after the first attempt.
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, clock: Clock): number {
  const ceilingMs = Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceilingMs * (0.5 + 0.5 * clock.random()));
}
