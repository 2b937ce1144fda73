/**
 * Reports whether the collector accepts records. Batches retry independently; this combines their attempts into one outage,
 * with a log line when it starts, every few minutes, and when it ends.
 */
import { type Observer, toFault } from '../contracts/observer.ts';
import type { AgentError } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

/** An attempt without a verdict on its records. */
export interface FailedAttempt {
  readonly status: 'unavailable' | 'misconfigured';
  readonly error: AgentError;
  /** When the next attempt is made. */
  readonly retryAtMs: number;
}

interface Outage {
  readonly sinceMs: number;
  readonly failedAttempts: number;
}

/** Called at a failed attempt, with the time of the next one. */
export type OnLastingOutage = (retryAtMs: number) => void;

const reminderIntervalMs = 5 * 60_000;
/** From then on, an outage in which nothing at all was accepted counts as lasting. */
const lastingMs = 2 * 60_000;

export class OutageWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #observe: Observer;
  readonly #onLasting: OnLastingOutage | undefined;
  #outage: Outage | undefined;
  /** When the collector last answered an empty request during the outage. */
  #probedAtMs: number | undefined;
  #loggedAtMs = Number.NEGATIVE_INFINITY;
  #loggedCode: string | undefined;
  /** True while the last log line reports an outage. */
  #hasLoggedOutage = false;

  constructor(clock: Clock, logger: Logger, observe: Observer, onLasting?: OnLastingOutage) {
    this.#clock = clock;
    this.#logger = logger;
    this.#observe = observe;
    this.#onLasting = onLasting;
  }

  failed(attempt: FailedAttempt): void {
    const nowMs = this.#clock.nowMs();
    // Nothing failed for a while after the collector had answered: there was nothing to send, and this is another outage.
    if (this.#probedAtMs !== undefined && Math.abs(nowMs - this.#probedAtMs) >= lastingMs) this.#forget();
    const { sinceMs, failedAttempts } = this.#outage ?? { sinceMs: nowMs, failedAttempts: 0 };
    const outage = { sinceMs, failedAttempts: failedAttempts + 1 };
    this.#outage = outage;
    this.#log(attempt, outage, nowMs);
    const { error, retryAtMs } = attempt;
    this.#observe({ kind: 'waiting', for: 'collector', fault: toFault(error), ...outage, retryAtMs });
    if (Math.abs(nowMs - sinceMs) >= lastingMs) this.#onLasting?.(retryAtMs);
  }

  /**
   * The collector answered an empty request. Whether it accepts records is not known yet: a Collector without a queue answers although its
   * backend is down. So the next failed attempt continues the outage.
   */
  probed(): void {
    this.#probedAtMs = this.#clock.nowMs();
    this.#observe({ kind: 'resumed', for: 'collector' });
  }

  #log({ status, error }: FailedAttempt, outage: Outage, nowMs: number): void {
    // A request that fails while others succeed must not flood the log, so an outage soon after the last one is not logged
    // either.
    if (Math.abs(nowMs - this.#loggedAtMs) < reminderIntervalMs && this.#loggedCode === error.code) return;
    this.#loggedAtMs = nowMs;
    this.#loggedCode = error.code;
    this.#hasLoggedOutage = true;
    const fields = { err: error, since: isoTime(outage.sinceMs), attempts: outage.failedAttempts };
    if (status === 'misconfigured') {
      this.#logger.error(fields, 'Collector cannot be used as configured; shipping pauses, nothing is lost');
    } else if (nowMs - outage.sinceMs < reminderIntervalMs) {
      this.#logger.warn(fields, 'Collector does not accept records; shipping pauses, nothing is lost');
    } else {
      this.#logger.error(fields, 'Collector still does not accept records; shipping pauses, nothing is lost');
    }
  }

  /** The collector gave a verdict on a request: it accepted or rejected it. */
  answered(): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    this.#forget();
    if (this.#hasLoggedOutage) {
      const lastedMs = this.#clock.nowMs() - outage.sinceMs;
      this.#logger.info({ durationMs: lastedMs, attempts: outage.failedAttempts }, 'Collector accepts records again');
    }
    this.#hasLoggedOutage = false;
    this.#observe({ kind: 'resumed', for: 'collector' });
  }

  #forget(): void {
    this.#outage = undefined;
    this.#probedAtMs = undefined;
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
