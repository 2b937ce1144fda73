/**
 * Group commit: collects changes to the database and commits them once per turn of the event loop, so that one disk write
 * carries the announcements and settlements of all objects being shipped.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type Observer, toFault } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import { AgentError } from '../model/agent-error.ts';
import { backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { isDamaged, isSqliteError, writeFault } from './sqlite-errors.ts';

export interface CommitQueueOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: Observer | undefined;
}

/** How long a change that nobody waits for is held back, so that it shares a commit with others. */
const laterCommitMs = 10;
const retryPolicy = { initialMs: 500, maxMs: 15_000 };

export class CommitQueue {
  readonly #database: DatabaseSync;
  readonly #options: CommitQueueOptions;
  readonly #closing = new AbortController();
  #changes: (() => void)[] = [];
  #commit: Promise<void> | undefined;
  #laterCommit: Promise<void> | undefined;
  #damage: AgentError | undefined;

  constructor(database: DatabaseSync, options: CommitQueueOptions) {
    this.#database = database;
    this.#options = options;
  }

  /** ERR_STATE_DAMAGED once damage was found; its cause has the details. */
  get damage(): AgentError | undefined {
    return this.#damage;
  }

  /** Adds a change to the commit that this turn of the event loop starts. */
  add(change: () => void): void {
    this.#changes.push(change);
    this.#startCommit();
  }

  /** Adds a change unless it is still pending, so that recurring changes do not add up while the disk cannot be written. */
  addOnce(change: () => void): void {
    if (this.#changes.includes(change)) return;
    this.add(change);
  }

  /** Adds a change that nobody waits for to the next commit, which starts after `laterCommitMs` at the latest. */
  addLater(change: () => void): void {
    this.#changes.push(change);
    const { clock } = this.#options;
    this.#laterCommit ??= clock.sleep(laterCommitMs, this.#closing.signal).then(
      () => {
        this.#laterCommit = undefined;
        if (this.#changes.length > 0) this.#startCommit();
      },
      () => {}, // Closing commits the remaining changes.
    );
  }

  /**
   * Resolves when all changes so far are committed. Rejects with the signal's reason, and with ERR_STATE_DAMAGED.
   */
  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#damage !== undefined) throw this.#damage;
    if (this.#changes.length > 0) this.#startCommit();
    if (this.#commit !== undefined) await untilAborted(this.#commit, signal);
  }

  /** @throws AgentError ERR_STATE_DAMAGED if this or an earlier call found damage. */
  read<Result>(read: () => Result): Result {
    if (this.#damage !== undefined) throw this.#damage;
    try {
      return read();
    } catch (error) {
      throw isDamaged(error) ? this.#recordDamage(error) : error;
    }
  }

  /** Commits the remaining changes, without retries. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#changes.length > 0 && this.#damage === undefined) this.#startCommit();
    await this.#commit?.catch(() => {});
  }

  #startCommit(): void {
    if (this.#commit !== undefined) return;
    this.#commit = this.#commitSoon();
    this.#commit.catch(() => {}); // Reported by flush, by the next read, and by close.
  }

  /** Lets this turn of the event loop add its changes, then commits. Retries while the disk cannot be written. */
  async #commitSoon(): Promise<void> {
    const { clock, directory, logger, observe } = this.#options;
    const sinceMs = clock.nowMs();
    await new Promise((resolve) => setImmediate(resolve));
    for (let attempt = 0; ; attempt++) {
      try {
        this.#commitChanges();
        // In the same turn as the commit: a change added in between would wait for a commit that is already complete.
        this.#commit = undefined;
        if (attempt > 0) {
          observe?.({ kind: 'resumed', for: 'state' });
          logger.info({ attempts: attempt + 1 }, 'State can be written again; shipping resumes');
        }
        return;
      } catch (error) {
        if (isDamaged(error)) throw this.#recordDamage(error);
        if (!isSqliteError(error) || this.#closing.signal.aborted) throw error;
        const fault = writeFault(error, directory);
        if (attempt === 0) logger.error({ err: fault }, 'State cannot be written; shipping pauses');
        const delayMs = backoffMs(retryPolicy, attempt, clock);
        observe?.({
          kind: 'waiting',
          for: 'state',
          fault: toFault(fault),
          sinceMs,
          failedAttempts: attempt + 1,
          retryAtMs: clock.nowMs() + delayMs,
        });
        await clock.sleep(delayMs, this.#closing.signal);
      }
    }
  }

  #commitChanges(): void {
    const { length } = this.#changes;
    reached('commit begun');
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const apply of this.#changes) apply();
      reached('commit written');
      this.#database.exec('COMMIT');
    } catch (error) {
      // After some errors, such as a full disk, SQLite has already rolled back.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#changes = this.#changes.slice(length);
    reached('commit durable');
  }

  #recordDamage(cause: unknown): AgentError {
    this.#damage ??= new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged', { cause });
    return this.#damage;
  }
}
