/**
 * Reports the faults of one listing. A bucket whose permissions are gone fails ten thousand times a minute in the same way:
 * the first of each kind are logged in full, then they are counted, and at round numbers the count is told.
 */
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import { type Observer, toFault } from '../observer.ts';
import type { Logger } from '../runtime/logger.ts';

export class FaultLog {
  readonly #logger: Logger;
  readonly #observe: Observer;
  readonly #source: string;
  readonly #counts = new Map<ErrorCode, number>();

  constructor(logger: Logger, observe: Observer, source: string) {
    this.#logger = logger;
    this.#observe = observe;
    this.#source = source;
  }

  report(fault: AgentError, message: string, fields: object = {}): void {
    this.#observe({ kind: 'faultMet', source: this.#source, fault: toFault(fault) });
    const count = (this.#counts.get(fault.code) ?? 0) + 1;
    this.#counts.set(fault.code, count);
    if (count > loggedInFull && !isRound(count)) return;
    const all = {
      source: this.#source,
      ...fields,
      err: fault,
      ...(count > loggedInFull ? { occurrences: count } : {}),
    };
    if (everyday.has(fault.code)) this.#logger.debug(all, message);
    else if (needsPerson.has(fault.code)) this.#logger.error(all, message);
    else this.#logger.warn(all, message);
  }
}

const loggedInFull = 5;

/** Databricks overwrote or removed the object between listing and reading; the next listing shows what is there now. */
const everyday: ReadonlySet<ErrorCode> = new Set(['ERR_OBJECT_CHANGED', 'ERR_OBJECT_GONE']);

const needsPerson: ReadonlySet<ErrorCode> = new Set([
  'ERR_OBJECT_DAMAGED',
  'ERR_SOURCE_ACCESS_DENIED',
  'ERR_SOURCE_CREDENTIALS',
  'ERR_SOURCE_NOT_FOUND',
]);

/** 1, 10, 100, 1,000 ... */
function isRound(count: number): boolean {
  return Number.isInteger(Math.log10(count));
}
