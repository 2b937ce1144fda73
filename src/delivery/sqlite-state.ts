/**
 * The delivery state in an embedded SQLite database: write-ahead log, synchronous FULL, so that what was flushed survives a
 * power cut. Changes are collected and committed together once per turn of the event loop, which makes one disk write of
 * the announcements and settlements of all objects that are being shipped.
 */
import { DatabaseSync } from 'node:sqlite';
import type {
  Announcement,
  AnnouncementId,
  DeliveryState,
  LineHashes,
  LineIndex,
  ObjectState,
  Position,
  Settlement,
  WorkspaceEvents,
} from '../contracts/delivery-state.ts';
import { type Observer, toFault } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import { AgentError, isAgentError, messageOf } from '../model/agent-error.ts';
import type { ObjectId, ObjectOrigin, ObjectVersion } from '../model/object.ts';
import { backoffMs } from '../runtime/backoff.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { verifyHeader } from './file-header.ts';
import { checksumOf } from './row-checksum.ts';
import { migrate } from './schema.ts';
import { removeScratches, Scratch, scratchPath } from './scratch.ts';
import { isDamaged, isSqliteError, writeFault } from './sqlite-errors.ts';
import { databasePath, lockStateDirectory, moveAside } from './state-directory.ts';
import { announcementOwner, StateRows } from './state-rows.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { WorkspaceRows } from './workspace-rows.ts';

export interface StateOptions {
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: Observer | undefined;
  readonly openDatabase?: OpenDatabase | undefined;
}

export type OpenDatabase = (path: string) => DatabaseSync;

/**
 * Opens the state, or begins a new one. A damaged database is moved aside, loudly: sending everything again with the same
 * log.record.uid is better than sending nothing.
 * @throws AgentError ERR_STATE_LOCKED, ERR_STATE_NEWER or ERR_STATE_WRITE.
 */
export function openDeliveryState(options: StateOptions): DeliveryState {
  const unlock = lockStateDirectory(options.directory);
  try {
    return openOrBeginAgain(options, unlock);
  } catch (error) {
    unlock();
    throw explainOpenFailure(error, options.directory);
  }
}

function openOrBeginAgain(options: StateOptions, unlock: () => void): DeliveryState {
  try {
    return openState(options, unlock);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    beginAgain(options, error);
    return openState(options, unlock);
  }
}

/** Reads enough of the database to notice most damages here already. */
function openState(options: StateOptions, unlock: () => void): DeliveryState {
  const { directory, clock, openDatabase = (path) => new DatabaseSync(path) } = options;
  verifyHeader(databasePath(directory));
  const database = openDatabase(databasePath(directory));
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    migrate(database, utcDate(clock.nowMs()));
    database.exec(writeNothing);
    return new SqliteState(database, unlock, options);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Fails when the file is read-only, which would show at the first batch otherwise. */
const writeNothing = 'BEGIN IMMEDIATE; UPDATE meta SET value = value; ROLLBACK';

function explainOpenFailure(error: unknown, directory: string): unknown {
  if (isAgentError(error)) return error;
  return new AgentError('ERR_STATE_WRITE', `Could not open the state in ${directory}: ${messageOf(error)}`, {
    cause: error,
    hint: 'Check that the volume has space left and that this user can write to it.',
  });
}

function beginAgain({ directory, clock, logger, observe }: StateOptions, cause: unknown): void {
  const aside = moveAside(directory, clock.nowMs());
  const err = new AgentError('ERR_STATE_DAMAGED', `The state database was damaged and moved to ${aside}`, {
    cause,
    hint: 'All lines from DATABRICKS_AUDIT_START on are sent again with the same log.record.uid; docs/delivery.md says what backends do with them.',
  });
  observe?.({ kind: 'faultMet', fault: toFault(err) });
  logger.error({ err }, 'State begins again');
}

/** How long a settlement waits for the next announcement, to be written along with it. */
const laterCommitMs = 10;
const retryPolicy = { initialMs: 500, maxMs: 15_000 };

class SqliteState implements DeliveryState {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #rows: StateRows;
  readonly #workspaces: WorkspaceRows;
  readonly #unlock: () => void;
  readonly #options: StateOptions;
  readonly #scratch: Scratch;
  readonly #closing = new AbortController();
  #changes: (() => void)[] = [];
  #commit: Promise<void> | undefined;
  #laterCommit: Promise<void> | undefined;
  #damage: AgentError | undefined;
  #lastAnnouncementId: number;

  constructor(database: DatabaseSync, unlock: () => void, options: StateOptions) {
    this.#database = database;
    this.#unlock = unlock;
    this.#options = options;
    this.#statements = prepareStatements(database);
    removeScratches(options.directory);
    this.#scratch = new Scratch(scratchPath(options.directory));
    this.#rows = new StateRows(database);
    this.#workspaces = new WorkspaceRows(database);
    this.hashSecret = this.#rows.hashSecret;
    this.createdOn = this.#rows.createdOn;
    this.#lastAnnouncementId = Number(this.#statements.lastAnnouncement.get()?.id ?? 0);
  }

  find(id: ObjectId): ObjectState | undefined {
    return this.#read(() => this.#rows.find(id));
  }

  *settledLineHashes(id: ObjectId): Iterable<LineHashes> {
    const rows = this.#rows.settledLineHashes(id);
    for (let row = this.#read(() => rows.next()); !row.done; row = this.#read(() => rows.next())) yield row.value;
  }

  createLineIndex(): LineIndex {
    return this.#scratch.createLineIndex();
  }

  announcements(id: ObjectId): Iterable<Announcement> {
    return this.#read(() => this.#rows.announcements(id));
  }

  announce(origin: ObjectOrigin, announcement: Announcement): AnnouncementId {
    const announcementId = ++this.#lastAnnouncementId as AnnouncementId;
    this.#change(() => {
      this.#insertObject(origin);
      this.#insertAnnouncement(announcementId, origin, announcement);
    });
    return announcementId;
  }

  settle(origin: ObjectOrigin, settlement: Settlement): void {
    const { announcementId, position, lineHashes, acceptedCount, deadLetteredCount, newestEventMs } = settlement;
    this.#changeLater(() => {
      this.#insertObject(origin);
      if (announcementId !== undefined) this.#statements.forgetAnnouncement.run(announcementId);
      if (position !== undefined) this.#movePosition(origin, position);
      this.#statements.count.run(acceptedCount, deadLetteredCount, origin.id);
      const hashes = toBlob(lineHashes);
      this.#statements.addLineHashes.run(hashes, checksumOf(origin.id, hashes), origin.id);
      if (newestEventMs !== undefined) this.#workspaces.noteEvent(origin.workspaceId, newestEventMs);
    });
  }

  finish(origin: ObjectOrigin, version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[]): void {
    this.#change(() => {
      this.#insertObject(origin);
      this.#movePosition(origin, end);
      this.#statements.finish.run(version.etag, version.sizeBytes, version.modifiedAtMs, origin.id);
      this.#statements.forgetAnnouncements.run(origin.id);
      for (const announcement of stillAnnounced) {
        this.#insertAnnouncement(++this.#lastAnnouncementId, origin, announcement);
      }
    });
  }

  forget(id: ObjectId): void {
    this.#change(() => {
      this.#statements.forgetAnnouncements.run(id);
      this.#statements.forgetLineHashes.run(id);
      this.#statements.forgetObject.run(id);
    });
  }

  reopen(id: ObjectId): void {
    this.#change(() => {
      this.#statements.reopen.run(id);
      this.#statements.rewind.run(id);
    });
  }

  workspaces(): readonly WorkspaceEvents[] {
    return this.#read(() => this.#workspaces.all());
  }

  beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number): void {
    this.#change(() => this.#workspaces.beginSilence(workspaceId, sinceMs, thresholdMs));
  }

  silenceTold(workspaceId: string | undefined): void {
    this.#change(() => this.#workspaces.silenceTold(workspaceId));
  }

  endSilence(workspaceId: string | undefined): void {
    this.#change(() => this.#workspaces.endSilence(workspaceId));
  }

  dropLineHashes(before: string): void {
    this.#change(() => {
      const beforeMs = Date.parse(`${before}T00:00:00Z`);
      this.#statements.dropLineHashes.run(before, beforeMs);
      this.#statements.markDropped.run(before, beforeMs);
    });
  }

  async flush(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#damage !== undefined) throw this.#damage;
    if (this.#changes.length > 0) this.#startCommit();
    if (this.#commit !== undefined) await untilAborted(this.#commit, signal);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#changes.length > 0 && this.#damage === undefined) this.#startCommit();
    await this.#commit?.catch(() => {});
    this.#scratch.close();
    this.#database.close();
    if (this.#damage !== undefined) beginAgain(this.#options, this.#damage.cause);
    this.#unlock();
  }

  #insertObject({ id, workspaceId, date }: ObjectOrigin): void {
    this.#statements.insertObject.run(id, workspaceId ?? null, date ?? null);
  }

  #insertAnnouncement(id: number, origin: ObjectOrigin, { observedAtMs, occurrenceHashes }: Announcement): void {
    const hashes = toBlob(occurrenceHashes);
    const checksum = checksumOf(announcementOwner(origin.id, observedAtMs), hashes);
    this.#statements.announce.run(id, origin.id, observedAtMs, hashes, checksum);
  }

  #movePosition({ id }: ObjectOrigin, { offsetBytes, lineCount, digest }: Position): void {
    this.#statements.movePosition.run(offsetBytes, lineCount, digest, id);
  }

  /** The change is durable with the commit that this turn of the event loop starts. */
  #change(apply: () => void): void {
    this.#changes.push(apply);
    this.#startCommit();
  }

  /** Nobody waits for the change: it goes along with the next commit, which comes by itself after a moment. */
  #changeLater(apply: () => void): void {
    this.#changes.push(apply);
    const { clock } = this.#options;
    this.#laterCommit ??= clock.sleep(laterCommitMs, this.#closing.signal).then(
      () => {
        this.#laterCommit = undefined;
        if (this.#changes.length > 0) this.#startCommit();
      },
      () => {}, // Closing commits what is left.
    );
  }

  #startCommit(): void {
    if (this.#commit !== undefined) return;
    this.#commit = this.#commitSoon();
    this.#commit.catch(() => {}); // Met by flush, by the next read, and in close.
  }

  /** Lets this turn of the event loop add what it has, then commits; keeps trying for as long as the disk refuses. */
  async #commitSoon(): Promise<void> {
    const { clock, directory, logger, observe } = this.#options;
    const sinceMs = clock.nowMs();
    await new Promise((resolve) => setImmediate(resolve));
    for (let attempt = 0; ; attempt++) {
      try {
        this.#commitChanges();
        // In one go with the commit itself: a change that came in between would wait for a commit that is over.
        this.#commit = undefined;
        if (attempt > 0) {
          observe?.({ kind: 'resumed', for: 'state' });
          logger.info({ attempts: attempt + 1 }, 'State is written again; shipping goes on');
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
      // SQLite has rolled back by itself after some errors, a full disk among them.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#changes = this.#changes.slice(length);
    reached('commit durable');
  }

  #read<Result>(read: () => Result): Result {
    if (this.#damage !== undefined) throw this.#damage;
    try {
      return read();
    } catch (error) {
      throw isDamaged(error) ? this.#noteDamage(error) : error;
    }
  }

  #noteDamage(cause: unknown): AgentError {
    this.#damage ??= new AgentError('ERR_STATE_DAMAGED', 'The state database is damaged', { cause });
    return this.#damage;
  }
}

function toBlob(hashes: LineHashes): Uint8Array {
  return new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength);
}
