/**
 * The delivery state in an embedded SQLite database, with a write-ahead log and synchronous FULL, so that flushed changes
 * survive a power failure.
 */
import { DatabaseSync } from 'node:sqlite';
import type { AnnouncementId, Claim, Lead } from '../contracts/delivery-state.ts';
import { toFault } from '../contracts/observer.ts';
import type { OpenState } from '../contracts/open-state.ts';
import type { SettledFault } from '../contracts/settled-fault.ts';
import type { WorkspaceEvents } from '../contracts/silence-state.ts';
import { AgentError, isAgentError } from '../model/agent-error.ts';
import type { DeliveredObject, ObjectId } from '../model/object.ts';
import { utcDate } from '../runtime/clock.ts';
import { createPrivateFile } from '../runtime/private-file.ts';
import { CommitQueue, type CommitQueueOptions } from './commit-queue.ts';
import { verifyHeader } from './file-header.ts';
import { migrate } from './schema.ts';
import { SqliteClaim } from './sqlite-claim.ts';
import { isDamaged, openFault } from './sqlite-errors.ts';
import { databasePath, lockStateDirectory, moveAside, removeScratchFiles } from './state-directory.ts';
import { restrictPermissions } from './state-permissions.ts';
import { StateRows } from './state-rows.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { WorkspaceRows } from './workspace-rows.ts';

export interface StateOptions extends CommitQueueOptions {
  /** @internal */
  readonly openDatabase?: OpenDatabase | undefined;
}

export type OpenDatabase = (path: string) => DatabaseSync;

/**
 * Opens the state, or creates a new one. A damaged database is moved aside, with an error in the log: sending everything
 * again with the same log.record.uid is better than sending nothing.
 * Rejects with ERR_STATE_LOCKED, ERR_STATE_NEWER or ERR_STATE_WRITE.
 */
export async function openDeliveryState(options: StateOptions): Promise<OpenState> {
  const unlock = lockStateDirectory(options.directory);
  try {
    restrictPermissions(options.directory, options.logger);
    return openOrReplaceDamaged(options, unlock);
  } catch (error) {
    unlock();
    throw explainOpenFailure(error, options.directory);
  }
}

function openOrReplaceDamaged(options: StateOptions, unlock: () => void): OpenState {
  try {
    return openState(options, unlock);
  } catch (error) {
    if (!isDamaged(error)) throw error;
    moveDamagedAside(options, error);
    return openState(options, unlock);
  }
}

/** Reads enough of the database to detect most kinds of damage at startup. */
function openState(options: StateOptions, unlock: () => void): OpenState {
  const { directory, clock, openDatabase = openPrivateDatabase } = options;
  removeScratchFiles(directory);
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

/** SQLite gives its log and index files the mode of the database. */
function openPrivateDatabase(path: string): DatabaseSync {
  createPrivateFile(path);
  return new DatabaseSync(path);
}

/** Fails if the file is read-only, which would otherwise surface only at the first batch. */
const writeNothing = 'BEGIN IMMEDIATE; UPDATE meta SET value = value; ROLLBACK';

function explainOpenFailure(error: unknown, directory: string): unknown {
  return isAgentError(error) ? error : openFault(error, directory);
}

function moveDamagedAside({ directory, clock, logger, observe }: StateOptions, cause: unknown): void {
  const aside = moveAside(directory, clock.nowMs());
  const err = new AgentError('ERR_STATE_DAMAGED', `The state database was damaged and moved to ${aside}`, {
    cause,
    hint: 'All lines from DATABRICKS_AUDIT_START on are sent again with the same log.record.uid. See docs/guarantees.md for which backends drop the repeats.',
  });
  observe?.({ kind: 'faultMet', fault: toFault(err) });
  logger.error({ err }, 'Starting with a new state database');
}

/** The database belongs to one process, so the lead is never lost. */
const permanentLead: Lead = { lost: new AbortController().signal, release: async () => {} };

class SqliteState implements OpenState {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly #database: DatabaseSync;
  readonly #queue: CommitQueue;
  readonly #statements: Statements;
  readonly #rows: StateRows;
  readonly #workspaces: WorkspaceRows;
  readonly #unlock: () => void;
  readonly #options: StateOptions;
  readonly #claimed = new Set<ObjectId>();
  #droppedBefore = '';
  readonly #dropLineHashes = () => {
    const before = this.#droppedBefore;
    const beforeMs = Date.parse(`${before}T00:00:00Z`);
    const claimed = JSON.stringify([...this.#claimed]);
    this.#statements.dropLineHashes.run(before, claimed, beforeMs, claimed);
    this.#statements.markDropped.run(before, claimed, beforeMs, claimed);
  };
  #lastAnnouncementId: number;

  constructor(database: DatabaseSync, unlock: () => void, options: StateOptions) {
    this.#database = database;
    this.#unlock = unlock;
    this.#options = options;
    this.#queue = new CommitQueue(database, options);
    this.#statements = prepareStatements(database);
    this.#rows = new StateRows(database);
    this.#workspaces = new WorkspaceRows(database);
    this.hashSecret = this.#rows.hashSecret;
    this.createdOn = this.#rows.createdOn;
    this.#lastAnnouncementId = Number(this.#statements.lastAnnouncement.get()?.id ?? 0);
  }

  async unsettled(objects: readonly DeliveredObject[]): Promise<readonly DeliveredObject[]> {
    return this.#queue.read(() =>
      objects.filter(({ origin, version }) => this.#rows.find(origin.id)?.settledVersion?.etag !== version.etag),
    );
  }

  async settledFaults(objects: readonly DeliveredObject[]): Promise<ReadonlyMap<ObjectId, SettledFault>> {
    return this.#queue.read(() => this.#rows.settledFaults(objects.map(({ origin }) => origin.id)));
  }

  async knowsAny(idsBeginWith: readonly string[]): Promise<boolean> {
    return this.#queue.read(() => this.#rows.knowsAny(idsBeginWith));
  }

  async claim({ origin, version }: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere'> {
    signal.throwIfAborted();
    if (this.#claimed.has(origin.id)) return 'elsewhere';
    const known = this.#queue.read(() => this.#rows.find(origin.id));
    if (known?.settledVersion?.etag === version.etag) return 'settled';
    const claim = new SqliteClaim(origin, known, {
      queue: this.#queue,
      rows: this.#rows,
      statements: this.#statements,
      workspaces: this.#workspaces,
      nowMs: () => this.#options.clock.nowMs(),
      nextAnnouncementId: () => ++this.#lastAnnouncementId as AnnouncementId,
      onRelease: () => this.#claimed.delete(origin.id),
    });
    this.#claimed.add(origin.id);
    return claim;
  }

  async reopen({ origin: { id } }: DeliveredObject, signal: AbortSignal): Promise<void> {
    this.#queue.add(() => {
      this.#statements.reopen.run(id);
      this.#statements.rewind.run(id);
    });
    await this.#queue.flush(signal);
  }

  async lead(): Promise<Lead> {
    return permanentLead;
  }

  async workspaces(): Promise<readonly WorkspaceEvents[]> {
    return this.#queue.read(() => this.#workspaces.all());
  }

  async beginSilence(
    workspaceId: string | undefined,
    sinceMs: number,
    thresholdMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    this.#queue.add(() =>
      this.#workspaces.beginSilence(workspaceId, sinceMs, thresholdMs, this.#options.clock.nowMs()),
    );
    await this.#queue.flush(signal);
  }

  async silenceReported(workspaceId: string | undefined, signal: AbortSignal): Promise<void> {
    this.#queue.add(() => this.#workspaces.silenceReported(workspaceId));
    await this.#queue.flush(signal);
  }

  async endSilence(workspaceId: string | undefined, signal: AbortSignal): Promise<void> {
    this.#queue.add(() => this.#workspaces.endSilence(workspaceId));
    await this.#queue.flush(signal);
  }

  /** Skips claimed objects, whose visits may still read the hashes; a later call drops them. */
  dropLineHashes(before: string): void {
    this.#droppedBefore = before;
    this.#queue.addOnce(this.#dropLineHashes);
  }

  async close(): Promise<void> {
    await this.#queue.close();
    this.#database.close();
    const { damage } = this.#queue;
    if (damage !== undefined) moveDamagedAside(this.#options, damage.cause);
    this.#unlock();
  }
}
