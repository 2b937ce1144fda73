/**
 * A store that waits: while the engine is not available, every call is repeated until it is answered. And the one place where a
 * refused write is looked into before it is believed.
 */
import { type Observer, toFault, unobserved } from '../contracts/observer.ts';
import { type AgentError, isAgentError } from '../model/agent-error.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { BatchItem, ItemKey, Register, RegisterEntry, SharedStore } from './store.ts';

export interface PatientStoreParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: Observer | undefined;
  /** Unique among all processes. */
  readonly newId: () => string;
  /** Aborts when the state is being closed: what fails from then on is not repeated. */
  readonly closing: AbortSignal;
}

export type WriteEnd =
  | { readonly status: 'written'; readonly register: Register }
  /** @property found the register as it is now. */
  | { readonly status: 'refused'; readonly found: Register | undefined };

const retryPolicy = { initialMs: 500, maxMs: 15_000 };

/**
 * Every method rejects with the signal's reason, ERR_STATE_NOT_FOUND or ERR_STATE_FORMAT; once the state is being closed, also with
 * ERR_STATE_UNAVAILABLE or the reason of `closing`.
 */
export class PatientStore {
  readonly #store: SharedStore;
  readonly #parts: PatientStoreParts;
  /**
   * Calls that failed and are being repeated, by when each failed first. They end an outage, and no others do: on a full disk, or without
   * the right to insert, reads are answered while writes go on failing.
   */
  readonly #repeated = new Map<symbol, number>();
  /** Since the outage began. */
  #failedAttempts = 0;
  readonly #onWaiting = new Set<() => void>();

  constructor(store: SharedStore, parts: PatientStoreParts) {
    this.#store = store;
    this.#parts = parts;
  }

  /** Settles as the promise does, or resolves while calls are repeated because the engine is not available. */
  async untilWaiting(promise: Promise<void>): Promise<void> {
    if (this.#repeated.size > 0) return;
    const { promise: waiting, resolve } = Promise.withResolvers<void>();
    this.#onWaiting.add(resolve);
    await Promise.race([promise, waiting]).finally(() => this.#onWaiting.delete(resolve));
  }

  /** Consistent. */
  async read(key: ItemKey, signal: AbortSignal): Promise<Register | undefined> {
    return await this.#patiently(() => this.#store.read(key, signal), signal);
  }

  /** May be out of date. */
  async readMany(keys: readonly ItemKey[], signal: AbortSignal): Promise<readonly (Register | undefined)[]> {
    return await this.#patiently(() => this.#store.readMany(keys, signal), signal);
  }

  async registers(partition: string, signal: AbortSignal): Promise<readonly RegisterEntry[]> {
    return await this.#patiently(() => allOf(this.#store.registers(partition, signal)), signal);
  }

  /** Page by page, as the store does. After a failure, it continues where it was. */
  async *batchItems(
    partition: string,
    { from, before }: { readonly from: string; readonly before: string },
    signal: AbortSignal,
  ): AsyncIterable<readonly BatchItem[]> {
    let last: string | undefined;
    let pages: AsyncIterator<readonly BatchItem[]> | undefined;
    const nextPage = async () => {
      pages ??= this.#store.batchItems(partition, { from: last ?? from, before }, signal)[Symbol.asyncIterator]();
      try {
        return await pages.next();
      } catch (error) {
        pages = undefined; // An iterator that has failed is at its end.
        throw error;
      }
    };
    try {
      for (;;) {
        const page = await this.#patiently(nextPage, signal);
        if (page.done) return;
        const items = page.value.filter(({ key }) => key.sort !== last);
        last = items.at(-1)?.key.sort ?? last;
        yield items;
      }
    } finally {
      await pages?.return?.();
    }
  }

  async put(item: BatchItem, signal: AbortSignal): Promise<void> {
    await this.#patiently(() => this.#store.putBatchItem(item, signal), signal);
  }

  /**
   * Replaces the value of a register if its revision is the expected one.
   *
   * A refusal alone proves nothing: if the answer to an attempt was lost, the next one is refused because the first took
   * effect. So the register is read, and the id of its last write decides.
   */
  async write(key: ItemKey, expected: string | undefined, value: string, signal: AbortSignal): Promise<WriteEnd> {
    const register = { revision: this.#parts.newId(), value };
    return await this.#patiently(async () => {
      const end = await this.#store.compareAndSet(key, expected, register, signal);
      if (end === 'written') return { status: 'written', register };
      const found = await this.#store.read(key, signal);
      return found?.revision === register.revision ? { status: 'written', register } : { status: 'refused', found };
    }, signal);
  }

  /**
   * Changes a register that several processes may change at the same time.
   * @param change returns the new value, or undefined if there is nothing to change.
   */
  async update(
    key: ItemKey,
    change: (found: Register | undefined) => string | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    let found = await this.read(key, signal);
    for (;;) {
      const value = change(found);
      if (value === undefined) return;
      const end = await this.write(key, found?.revision, value, signal);
      if (end.status === 'written') return;
      found = end.found;
    }
  }

  async #patiently<Result>(attempt: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { clock, closing } = this.#parts;
    const call = Symbol('call');
    let isAnswered = false;
    try {
      for (let attempts = 0; ; attempts++) {
        signal.throwIfAborted();
        try {
          const result = await attempt();
          isAnswered = true;
          return result;
        } catch (error) {
          signal.throwIfAborted();
          if (!isAgentError(error, 'ERR_STATE_UNAVAILABLE') || closing.aborted) throw error;
          const delayMs = backoffMs(retryPolicy, attempts, clock);
          this.#failed(call, error, delayMs);
          await clock.sleep(delayMs, AbortSignal.any([signal, closing]));
        }
      }
    } finally {
      this.#ended(call, isAnswered);
    }
  }

  #failed(call: symbol, error: AgentError, delayMs: number): void {
    const { clock, logger, observe = unobserved } = this.#parts;
    if (this.#repeated.size === 0) logger.error({ err: error }, 'State is not available; shipping pauses');
    if (!this.#repeated.has(call)) this.#repeated.set(call, clock.nowMs());
    for (const resolve of this.#onWaiting) resolve();
    observe({
      kind: 'waiting',
      for: 'state',
      fault: toFault(error),
      // Of the call that waits longest: single calls that fail under load, one after the other, are no outage of minutes.
      sinceMs: Math.min(...this.#repeated.values()),
      failedAttempts: ++this.#failedAttempts,
      retryAtMs: clock.nowMs() + delayMs,
    });
  }

  /** @param isAnswered false if the call was given up, which tells nothing about the state. */
  #ended(call: symbol, isAnswered: boolean): void {
    if (!this.#repeated.delete(call) || this.#repeated.size > 0) return;
    const attempts = this.#failedAttempts + 1;
    this.#failedAttempts = 0;
    this.#parts.observe?.({ kind: 'resumed', for: 'state' });
    if (isAnswered) this.#parts.logger.info({ attempts }, 'State is available again; shipping resumes');
  }
}

export async function allOf<Item>(pages: AsyncIterable<readonly Item[]>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const page of pages) items.push(...page);
  return items;
}
