/**
 * Logs the faults of one source without flooding the log. A persistent fault, such as an empty bucket, is logged once, then
 * once an hour, and once more when it is resolved. A bucket without permissions can fail ten thousand times a minute: the
 * first faults of each code are logged in full, the rest are counted and logged at 10, 100, 1,000 and so on.
 */

import { type Observer, toFault } from '../contracts/observer.ts';
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';

export interface FaultLogParts {
  readonly source: string;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Faults of one code since the last listing without any. */
interface FaultSeries {
  readonly sinceMs: number;
  count: number;
  /** The number of the listing with the last one. */
  listing: number;
  /** The faults that were logged in full since `loggedFromMs`, as their `detail`. */
  readonly logged: Set<string>;
  loggedFromMs: number;
}

export class FaultLog {
  readonly #parts: FaultLogParts;
  /** Faults that this one has logged are not logged again. */
  readonly #other: FaultLog | undefined;
  readonly #series = new Map<ErrorCode, FaultSeries>();
  #listing = 0;

  constructor(parts: FaultLogParts, other?: FaultLog) {
    this.#parts = parts;
    this.#other = other;
  }

  /** @returns a function to call once everything listed was read: faults that did not recur are then resolved. */
  beginListing(): () => void {
    const listing = ++this.#listing;
    return () => {
      for (const [code, series] of this.#series) if (series.listing < listing) this.#resolve(code, series);
    };
  }

  report(fault: AgentError, message: string, fields: object = {}): void {
    const { source, observe, logger } = this.#parts;
    observe({ kind: 'faultMet', source, fault: toFault(fault) });
    const series = this.#count(fault.code);
    // Damaged objects may all have the same message, so the fields, which name the object, are part of the detail.
    const detail = JSON.stringify([fault.message, fields]);
    if (this.#other?.hasLogged(fault.code, detail) || !shouldLog(series, detail)) return;
    const totals = series.count > loggedInFull ? { occurrences: series.count, since: isoTime(series.sinceMs) } : {};
    const all = { source, ...fields, err: fault, ...totals };
    if (routine.has(fault.code)) logger.debug(all, message);
    else if (needsPerson.has(fault.code)) logger.error(all, message);
    else logger.warn(all, message);
  }

  hasLogged(code: ErrorCode, detail: string): boolean {
    return this.#series.get(code)?.logged.has(detail) ?? false;
  }

  #count(code: ErrorCode): FaultSeries {
    const nowMs = this.#parts.clock.nowMs();
    let series = this.#series.get(code);
    if (series === undefined) {
      series = { sinceMs: nowMs, count: 0, listing: 0, logged: new Set(), loggedFromMs: nowMs };
      this.#series.set(code, series);
    }
    series.count++;
    series.listing = this.#listing;
    // Absolute value: if the clock is set back, the log must not stay quiet until it has caught up.
    if (Math.abs(nowMs - series.loggedFromMs) >= reminderIntervalMs) {
      series.logged.clear();
      series.loggedFromMs = nowMs;
    }
    return series;
  }

  #resolve(code: ErrorCode, { sinceMs, count, logged }: FaultSeries): void {
    this.#series.delete(code);
    if (ofOneVersion.has(code) || logged.size === 0) return;
    const { source, logger } = this.#parts;
    logger.info({ source, code, since: isoTime(sinceMs), occurrences: count }, 'Source recovered');
  }
}

const loggedInFull = 5;
const reminderIntervalMs = 60 * 60_000;

/** Databricks overwrote or removed the object between listing and reading; the next listing returns what is there now. */
const routine: ReadonlySet<ErrorCode> = new Set(['ERR_OBJECT_CHANGED', 'ERR_OBJECT_GONE']);

/** Single occurrences rather than lasting conditions, so there is no recovery to log. */
const ofOneVersion: ReadonlySet<ErrorCode> = new Set([...routine, 'ERR_OBJECT_DAMAGED', 'ERR_OBJECT_FORMAT']);

const needsPerson: ReadonlySet<ErrorCode> = new Set([
  'ERR_OBJECT_DAMAGED',
  'ERR_OBJECT_FORMAT',
  'ERR_OBJECT_TOO_LARGE',
  'ERR_SOURCE_ACCESS_DENIED',
  'ERR_SOURCE_CREDENTIALS',
  'ERR_SOURCE_NOT_FOUND',
]);

/** Also records that the fault is logged now. */
function shouldLog({ logged, count }: FaultSeries, detail: string): boolean {
  if (logged.has(detail)) return false;
  if (logged.size >= loggedInFull) return isPowerOfTen(count);
  logged.add(detail);
  return true;
}

/** 1, 10, 100, 1,000 ... */
function isPowerOfTen(count: number): boolean {
  return Number.isInteger(Math.log10(count));
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
