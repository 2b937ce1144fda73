/**
 * Reports the faults of one source, listing after listing. What stays as it is, such as a bucket with nothing in it, is told once,
 * then once an hour, and when it is over. A bucket whose permissions are gone fails ten thousand times a minute in the same way:
 * the first of each code are logged in full, then they are counted, and at round numbers the count is told.
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

/** Faults of one code, since the last listing without any. */
interface Kind {
  readonly sinceMs: number;
  count: number;
  /** The listing that met the last one. */
  listing: number;
  /** What was logged in full since `toldFromMs`. */
  readonly told: Set<string>;
  toldFromMs: number;
}

export class FaultLog {
  readonly #parts: FaultLogParts;
  /** What this one has told is not told again. */
  readonly #other: FaultLog | undefined;
  readonly #kinds = new Map<ErrorCode, Kind>();
  /** How often in a row an everyday fault was met, by what it is about. */
  readonly #everyday = new Map<string, number>();
  #listing = 0;
  #isLastListing = false;

  constructor(parts: FaultLogParts, other?: FaultLog) {
    this.#parts = parts;
    this.#other = other;
  }

  /** @returns what to call when everything that the listing showed was read: faults that it did not meet are over then. */
  beginListing(): () => void {
    const listing = ++this.#listing;
    return () => {
      for (const [code, kind] of this.#kinds) if (kind.listing < listing) this.#end(code, kind);
      this.#everyday.clear();
    };
  }

  /** What is not read now will not be read: nothing is an everyday fault any more. */
  expectNoOtherListing(): void {
    this.#isLastListing = true;
  }

  /** @returns the fault; undefined while it is one of those that happen every day and the next listing will do without. */
  report(reported: AgentError, message: string, fields: object = {}): AgentError | undefined {
    const { source, observe, logger } = this.#parts;
    const repeated = everyday.has(reported.code) ? this.#repeated(reported, fields) : undefined;
    const fault = repeated ?? reported;
    const isEveryday = everyday.has(reported.code) && repeated === undefined && !this.#isLastListing;
    observe({ kind: 'faultMet', source, fault: toFault(fault) });
    const kind = this.#count(fault.code);
    // A damaged object says the same as the next one, and is another story.
    const story = JSON.stringify([fault.message, fields]);
    const returned = isEveryday ? undefined : fault;
    if (this.#other?.hasTold(fault.code, story) || !isNews(kind, story)) return returned;
    const sums = kind.count > loggedInFull ? { occurrences: kind.count, since: isoTime(kind.sinceMs) } : {};
    const all = { source, ...fields, err: fault, ...sums };
    if (isEveryday) logger.debug(all, message);
    else if (fault.code === 'ERR_SOURCE_EMPTY') logger.info(all, message);
    else if (needsPerson.has(fault.code)) logger.error(all, message);
    else logger.warn(all, message);
    return returned;
  }

  /** What these fields are about was read. */
  forget(fields: object): void {
    this.#everyday.delete(JSON.stringify(fields));
  }

  /** The fault in other words once it has been met so often that waiting for the next listing is no advice. */
  #repeated(fault: AgentError, fields: object): AgentError | undefined {
    const subject = Object.keys(fields).length === 0 ? fault.message : JSON.stringify(fields);
    const count = (this.#everyday.get(subject) ?? 0) + 1;
    if (count > 1 || this.#everyday.size < everydayRememberedMax) this.#everyday.set(subject, count);
    if (count < everydayInRowMax) return undefined;
    return new AgentError(fault.code, `${fault.message}, and so it was at every attempt before`, {
      cause: fault.cause,
      hint: 'Either something writes to it all the time, or the storage shows another version, or another name, when it lists than when it reads. It is tried again at each listing.',
    });
  }

  hasTold(code: ErrorCode, story: string): boolean {
    return this.#kinds.get(code)?.told.has(story) ?? false;
  }

  #count(code: ErrorCode): Kind {
    const nowMs = this.#parts.clock.nowMs();
    let kind = this.#kinds.get(code);
    if (kind === undefined) {
      kind = { sinceMs: nowMs, count: 0, listing: 0, told: new Set(), toldFromMs: nowMs };
      this.#kinds.set(code, kind);
    }
    kind.count++;
    kind.listing = this.#listing;
    // A clock that is set back must not make it silent for as long.
    if (Math.abs(nowMs - kind.toldFromMs) >= reminderIntervalMs) {
      kind.told.clear();
      kind.toldFromMs = nowMs;
    }
    return kind;
  }

  #end(code: ErrorCode, { sinceMs, count, told }: Kind): void {
    this.#kinds.delete(code);
    if (ofOneVersion.has(code) || told.size === 0) return;
    const { source, logger } = this.#parts;
    logger.info({ source, code, since: isoTime(sinceMs), occurrences: count }, 'Source recovered');
  }
}

const loggedInFull = 5;
const everydayInRowMax = 3;
const everydayRememberedMax = 10_000;
const reminderIntervalMs = 60 * 60_000;

/** Databricks overwrote or removed the object between listing and reading; the next listing shows what is there now. */
const everyday: ReadonlySet<ErrorCode> = new Set(['ERR_OBJECT_CHANGED', 'ERR_OBJECT_GONE']);

/** Met once, and no state that lasts: there is no end of it to tell. */
const ofOneVersion: ReadonlySet<ErrorCode> = new Set([...everyday, 'ERR_OBJECT_DAMAGED', 'ERR_OBJECT_UNPARSED']);

const needsPerson: ReadonlySet<ErrorCode> = new Set([
  'ERR_OBJECT_DAMAGED',
  'ERR_OBJECT_TOO_LARGE',
  'ERR_SOURCE_ACCESS_DENIED',
  'ERR_SOURCE_CREDENTIALS',
  'ERR_SOURCE_NOT_FOUND',
  'ERR_SOURCE_NO_DELIVERIES',
]);

/** Also notes that it is told now. */
function isNews({ told, count }: Kind, story: string): boolean {
  if (told.has(story)) return false;
  if (told.size >= loggedInFull) return isRound(count);
  told.add(story);
  return true;
}

/** 1, 10, 100, 1,000 ... */
function isRound(count: number): boolean {
  return Number.isInteger(Math.log10(count));
}

function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString();
}
