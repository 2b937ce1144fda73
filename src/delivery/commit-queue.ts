/**
 * Collects changes to the database and commits them together, once per turn of the event loop: one write to the disk carries
 * the announcements and settlements of all objects that are being shipped.
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

/** How long a change that nobody waits for may wait for another one, to be committed with it. */
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

  /** ERR_STATE_DAMAGED once damage was found; its cause says what. */
  get damage(): AgentError | undefined {
    return this.#damage;
  }

  /** The change is part of the commit that this turn of the event loop starts. */
  add(change: () => void): void {
    this.#changes.push(change);
    this.#startCommit();
  }

  /** Nobody waits for the change: it is part of the next commit, which starts by itself after a moment. */
  addLater(change: () => void): void {
    this.#changes.push(change);
    const { clock } = this.#options;
    this.#laterCommit ??= clock.sleep(laterCommitMs, this.#closing.signal).then(
      () => {
        this.#laterCommit = undefined;
        if (this.#changes.length > 0) this.#startCommit();
      },
      () => {}, // Closing commits what is left.
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

  /** @throws AgentError ERR_STATE_DAMAGED when the read finds damage, or damage was found before. */
  read<Result>(read: () => Result): Result {
    if (this.#damage !== undefined) throw this.#damage;
    try {
      return read();
    } catch (error) {
      throw isDamaged(error) ? this.#noteDamage(error) : error;
    }
  }

  /** Commits what is left, once. */
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

  /** Lets this turn of the event loop add its changes, then commits; keeps trying for as long as the disk refuses. */
  async #commitSoon(): Promise<void> {
    const { clock, directory, logger, observe } = this.#options;
    const sinceMs = clock.nowMs();
    await new Promise((resolve) => setImmediate(resolve));
    for (let attempt = 0; ; attempt++) {
      try {
        this.#commitChanges();
        // In the same turn as the commit itself: a change that came in between would wait for a commit that is over.
        this.#commit = undefined;
        if (attempt > 0) {
          observe?.({ kind: 'resumed', for: 'state' });
          logger.info({ attempts: attempt + 1 }, 'State can be written again; shipping continues');
        }
        return;
      } catch (error) {
        if (isDamaged(error)) throw this.#noteDamage(error);
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
      // SQLite rolls back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#changes = this.#changes.slice(length);
    reached('commit durable');
  }

  #noteDamage(cause: unknown): AgentError {
    this.#damage ??= new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged', { cause });
    return this.#damage;
  }
}
