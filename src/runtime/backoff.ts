/**
 * The delay before the next attempt.
 */
import type { Clock } from './clock.ts';

export interface BackoffPolicy {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * Exponential backoff with jitter on half of the delay, so that agents that lost the same collector do not retry in lockstep.
 * @param attempt zero-based: 0 gives the delay after the first attempt.
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, clock: Clock): number {
  const ceilingMs = Math.min(policy.maxMs, policy.initialMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceilingMs * (0.5 + 0.5 * clock.random()));
}
