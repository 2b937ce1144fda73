/**
 * Reports whether the collector accepts records. Each batch waits and retries by itself; this joins their attempts into one
 * outage with a log line at its start, one every few minutes, and one at its end.
 */
import { type Observer, toFault } from '../contracts/observer.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

/** An attempt that ended without a verdict on its records. */
export interface FailedAttempt {
  readonly status: 'unavailable' | 'misconfigured';
  readonly error: AgentError;
  /** When the same records are sent again. */
  readonly retryAtMs: number;
}

interface Outage {
  readonly sinceMs: number;
  readonly failedAttempts: number;
}

const reminderIntervalMs = 5 * 60_000;

export class OutageWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #observe: Observer;
  #outage: Outage | undefined;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #loggedCode: string | undefined;
  /** True while the last line in the log says that something is wrong. */
  #hasLoggedOutage = false;

  constructor(clock: Clock, logger: Logger, observe: Observer) {
    this.#clock = clock;
    this.#logger = logger;
    this.#observe = observe;
  }

  failed(attempt: FailedAttempt): void {
    const nowMs = this.#clock.nowMs();
    const { sinceMs, failedAttempts } = this.#outage ?? { sinceMs: nowMs, failedAttempts: 0 };
    const outage = { sinceMs, failedAttempts: failedAttempts + 1 };
    this.#outage = outage;
    this.#log(attempt, outage, nowMs);
    const { error, retryAtMs } = attempt;
    this.#observe({ kind: 'waiting', for: 'collector', fault: toFault(error), ...outage, retryAtMs });
  }

  #log({ status, error }: FailedAttempt, outage: Outage, nowMs: number): void {
    // One request that fails between others that pass must not fill the log, so a new outage soon after the last is not logged either.
    if (Math.abs(nowMs - this.#loggedAtMs) < reminderIntervalMs && this.#loggedCode === error.code) return;
    this.#loggedAtMs = nowMs;
    this.#loggedCode = error.code;
    this.#hasLoggedOutage = true;
    const fields = { err: error, since: isoTime(outage.sinceMs), attempts: outage.failedAttempts };
    if (status === 'misconfigured') {
      this.#logger.error(fields, 'The collector cannot be used as configured; shipping waits, nothing is lost');
    } else if (nowMs - outage.sinceMs < reminderIntervalMs) {
      this.#logger.warn(fields, 'The collector does not accept records; shipping waits, nothing is lost');
    } else {
      this.#logger.error(fields, 'The collector still does not accept records; shipping waits, nothing is lost');
    }
  }

  /** The collector gave a verdict on a request, good or bad. */
  answered(): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    this.#outage = undefined;
    if (this.#hasLoggedOutage) {
      const lastedMs = this.#clock.nowMs() - outage.sinceMs;
      this.#logger.info(
        { durationMs: lastedMs, attempts: outage.failedAttempts },
        'The collector accepts records again',
      );
    }
    this.#hasLoggedOutage = false;
    this.#observe({ kind: 'resumed', for: 'collector' });
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
