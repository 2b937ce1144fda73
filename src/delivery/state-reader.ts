/**
 * Reads the state, also while an agent is using it.
 */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { DeliveryReader } from '../contracts/delivery-reader.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { verifyHeader } from './file-header.ts';
import { schemaVersion, verifiedVersion } from './schema.ts';
import { isDamaged, isSqliteError, openFault } from './sqlite-errors.ts';
import { databasePath } from './state-directory.ts';
import { StateRows } from './state-rows.ts';

/**
 * Resolves to undefined if the directory contains no state yet. Rejects with ERR_STATE_NEWER or ERR_STATE_OLDER, and, as the
 * reader's functions do, with ERR_STATE_DAMAGED or ERR_STATE_WRITE.
 */
export async function openDeliveryReader(directory: string): Promise<DeliveryReader | undefined> {
  const opened = openReadOnly(directory);
  if (opened === undefined) return undefined;
  const { database, explainingFailure } = opened;
  const rows = closingOnFailure(database, () => explainingFailure(() => new StateRows(database)));
  return {
    hashSecret: rows.hashSecret,
    createdOn: rows.createdOn,
    read: async (id) =>
      explainingFailure(() =>
        inSnapshot(database, () => ({
          state: rows.find(id),
          announcements: rows.announcements(id),
          settledLines: [...rows.settledLines(id)],
          ...rows.counts(id),
        })),
      ),
    knowsAny: async (idsBeginWith) => explainingFailure(() => inSnapshot(database, () => rows.knowsAny(idsBeginWith))),
    async close() {
      database.close();
    },
  };
}

export interface ReadOnlyState {
  readonly database: DatabaseSync;
  /** Turns damage that the read finds into an ERR_STATE_DAMAGED for the operator, and other failures into an ERR_STATE_WRITE. */
  explainingFailure<Result>(read: () => Result): Result;
}

/** @returns undefined if there is no database, or one that no agent has written to yet. */
export function openReadOnly(directory: string): ReadOnlyState | undefined {
  const path = databasePath(directory);
  if (!exists(path, directory)) return undefined;
  const explainingFailure = <Result>(read: () => Result): Result => {
    try {
      return read();
    } catch (error) {
      // Readers need the index of the log, which SQLite cannot create on a volume that is full or read-only.
      if (!isDamaged(error)) throw isSqliteError(error) ? openFault(error, directory) : error;
      throw new AgentError('ERR_STATE_DAMAGED', `The state database ${path} is damaged: ${messageOf(error)}`, {
        cause: error,
        hint: 'When the agent starts, it moves the database aside and sends everything again with the same log.record.uid.',
      });
    }
  };
  explainingFailure(() => verifyHeader(path));
  const database = explainingFailure(() => new DatabaseSync(path, { readOnly: true }));
  const version = closingOnFailure(database, () =>
    explainingFailure(() => inSnapshot(database, () => refuseOlder(verifiedVersion(database)))),
  );
  if (version > 0) return { database, explainingFailure };
  database.close();
  return undefined;
}

/** @throws AgentError ERR_STATE_WRITE if this user may not look, which does not mean that nothing is there. */
function exists(path: string, directory: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    throw openFault(error, directory);
  }
}

/** A reader cannot migrate the state. */
function refuseOlder(version: number): number {
  if (version === 0 || version === schemaVersion) return version;
  throw new AgentError(
    'ERR_STATE_OLDER',
    `The state has schema version ${version}, but this command requires version ${schemaVersion}`,
    { hint: 'Start this version of the agent once to migrate the state.' },
  );
}

/** All reads see the same commit of the agent. */
function inSnapshot<Result>(database: DatabaseSync, read: () => Result): Result {
  database.exec('BEGIN');
  try {
    return read();
  } finally {
    // SQLite has ended the transaction if the disk is full.
    if (database.isTransaction) database.exec('COMMIT');
  }
}

function closingOnFailure<Result>(database: DatabaseSync, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    database.close();
    throw error;
  }
}
