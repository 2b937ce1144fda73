/**
 * Tells the operator, and whoever asks, whether the collector takes records. Each batch waits and tries again by itself; this
 * makes one story of their attempts, so that an outage is a line at its beginning, one now and then, and one at its end.
 */
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';

export interface Outage {
  readonly sinceMs: number;
  readonly failedAttempts: number;
}

const reminderIntervalMs = 5 * 60_000;

export class OutageWatch {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #outage: Outage | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #toldCode: string | undefined;
  /** True while the log's last word is that something is wrong. */
  #toldOfOutage = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  /** An attempt ended without a verdict on its records. */
  failed(outcome: UnavailableOutcome | MisconfiguredOutcome): Outage {
    const nowMs = this.#clock.nowMs();
    const before = this.#outage;
    const outage = { sinceMs: before?.sinceMs ?? nowMs, failedAttempts: (before?.failedAttempts ?? 0) + 1 };
    this.#outage = outage;
    this.#tell(outcome, outage, nowMs);
    return outage;
  }

  #tell(outcome: UnavailableOutcome | MisconfiguredOutcome, outage: Outage, nowMs: number): void {
    // One request that fails between others that pass must not fill the log, so a new outage soon after the last is quiet too.
    if (Math.abs(nowMs - this.#toldAtMs) < reminderIntervalMs && this.#toldCode === outcome.error.code) return;
    this.#toldAtMs = nowMs;
    this.#toldCode = outcome.error.code;
    this.#toldOfOutage = true;
    const fields = { err: outcome.error, since: isoTime(outage.sinceMs), attempts: outage.failedAttempts };
    if (outcome.status === 'misconfigured') {
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

  /** The collector gave a verdict on a request, whichever. True when that ends an outage. */
  answered(): boolean {
    const outage = this.#outage;
    if (outage === undefined) return false;
    this.#outage = undefined;
    if (!this.#toldOfOutage) return true;
    this.#toldOfOutage = false;
    const lastedMs = this.#clock.nowMs() - outage.sinceMs;
    this.#logger.info({ lastedMs, attempts: outage.failedAttempts }, 'The collector takes records again');
    return true;
  }
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
