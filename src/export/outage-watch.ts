/**
 * Tells the operator, and whoever asks, whether the collector takes records. Each batch waits and tries again by itself; this
 * makes one story of their attempts, so that an outage is a line at its beginning, one now and then, and one at its end.
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
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #toldCode: string | undefined;
  /** True while the log's last word is that something is wrong. */
  #toldOfOutage = false;

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
    // One request that fails between others that pass must not fill the log, so a new outage soon after the last is quiet too.
    if (Math.abs(nowMs - this.#toldAtMs) < reminderIntervalMs && this.#toldCode === error.code) return;
    this.#toldAtMs = nowMs;
    this.#toldCode = error.code;
    this.#toldOfOutage = true;
    const fields = { err: error, since: isoTime(outage.sinceMs), attempts: outage.failedAttempts };
    if (status === 'misconfigured') {
      this.#logger.error(
        fields,
        'The collector cannot be used as it is configured; shipping waits and nothing is lost',
      );
    } else if (nowMs - outage.sinceMs < reminderIntervalMs) {
      this.#logger.warn(fields, 'The collector does not take records; shipping waits and nothing is lost');
    } else {
      this.#logger.error(fields, 'The collector still does not take records; shipping waits and nothing is lost');
    }
  }

  /** The collector gave a verdict on a request, whichever. */
  answered(): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    this.#outage = undefined;
    if (this.#toldOfOutage) {
      const lastedMs = this.#clock.nowMs() - outage.sinceMs;
      this.#logger.info({ lastedMs, attempts: outage.failedAttempts }, 'The collector takes records again');
    }
    this.#toldOfOutage = false;
    this.#observe({ kind: 'resumed', for: 'collector' });
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
