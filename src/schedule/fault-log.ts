/**
 * Logs the faults of one source without flooding the log. A persistent fault, such as an empty bucket, is logged once, then
 * once an hour, and once more when it is resolved. A bucket without permissions can fail ten thousand times a minute: the
 * first faults of each code are logged in full, the rest are counted and logged at 10, 100, 1,000 and so on.
 */

import { type Observer, toFault } from '../contracts/observer.ts';
import { AgentError, type ErrorCode } from '../model/agent-error.ts';
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
  /** What the other log has logged is not logged again. */
  readonly #other: FaultLog | undefined;
  readonly #series = new Map<ErrorCode, FaultSeries>();
  /** How many times in a row an object had a routine fault. */
  readonly #routineCounts = new Map<string, number>();
  #listing = 0;
  #isLastListing = false;

  constructor(parts: FaultLogParts, other?: FaultLog) {
    this.#parts = parts;
    this.#other = other;
  }

  /** @returns a function to call once everything listed was read: faults that did not recur are then resolved. */
  beginListing(): () => void {
    const listing = ++this.#listing;
    return () => {
      for (const [code, series] of this.#series) if (series.listing < listing) this.#resolve(code, series);
      this.#routineCounts.clear();
    };
  }

  /** No listing follows, so what is not read now is never read: no fault is routine any more. */
  expectNoOtherListing(): void {
    this.#isLastListing = true;
  }

  /** @returns the fault, or undefined if it is routine: the next listing is expected to resolve it. */
  report(reported: AgentError, message: string, fields: object = {}): AgentError | undefined {
    const { source, observe, logger } = this.#parts;
    const repeated = routine.has(reported.code) ? this.#repeated(reported, fields) : undefined;
    const fault = repeated ?? reported;
    const isRoutine = routine.has(reported.code) && repeated === undefined && !this.#isLastListing;
    observe({ kind: 'faultMet', source, fault: toFault(fault) });
    const series = this.#count(fault.code);
    // Damaged objects may all have the same message, so the fields, which name the object, are part of the detail.
    const detail = JSON.stringify([fault.message, fields]);
    const returned = isRoutine ? undefined : fault;
    if (this.#other?.hasLogged(fault.code, detail) || !shouldLog(series, detail)) return returned;
    const totals = series.count > loggedInFull ? { occurrences: series.count, since: isoTime(series.sinceMs) } : {};
    const all = { source, ...fields, err: fault, ...totals };
    if (isRoutine) logger.debug(all, message);
    else if (fault.code === 'ERR_SOURCE_EMPTY') logger.info(all, message);
    else if (needsPerson.has(fault.code)) logger.error(all, message);
    else logger.warn(all, message);
    return returned;
  }

  /** Call it when the object in the fields was read: its routine faults start counting from zero. */
  forget(fields: object): void {
    this.#routineCounts.delete(JSON.stringify(fields));
  }

  /** A routine fault that has occurred several times in a row is not routine. Returns it with a message and a hint that say so. */
  #repeated(fault: AgentError, fields: object): AgentError | undefined {
    const subject = Object.keys(fields).length === 0 ? fault.message : JSON.stringify(fields);
    const count = (this.#routineCounts.get(subject) ?? 0) + 1;
    if (count > 1 || this.#routineCounts.size < routineCountsMax) this.#routineCounts.set(subject, count);
    if (count < routineInRowMax) return undefined;
    return new AgentError(fault.code, `${fault.message}, as at every previous attempt`, {
      cause: fault.cause,
      hint: 'Either something keeps writing to it, or the storage lists a different version or name than it reads. The agent tries again at every listing.',
    });
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
const routineInRowMax = 3;
const routineCountsMax = 10_000;
const reminderIntervalMs = 60 * 60_000;

/** Databricks overwrote or removed the object between listing and reading; the next listing returns what is there now. */
const routine: ReadonlySet<ErrorCode> = new Set(['ERR_OBJECT_CHANGED', 'ERR_OBJECT_GONE']);

/** Single occurrences rather than lasting conditions, so there is no recovery to log. */
const ofOneVersion: ReadonlySet<ErrorCode> = new Set([
  ...routine,
  'ERR_OBJECT_DAMAGED',
  'ERR_OBJECT_FORMAT',
  'ERR_OBJECT_UNPARSED',
]);

const needsPerson: ReadonlySet<ErrorCode> = new Set([
  'ERR_OBJECT_DAMAGED',
  'ERR_OBJECT_FORMAT',
  'ERR_OBJECT_TOO_LARGE',
  'ERR_SOURCE_ACCESS_DENIED',
  'ERR_SOURCE_CREDENTIALS',
  'ERR_SOURCE_NOT_FOUND',
  'ERR_SOURCE_NO_DELIVERIES',
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
