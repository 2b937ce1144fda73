/**
 * Looks into the state without taking part in it, also while an agent ships with it.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { DeliveryReader } from '../contracts/delivery-reader.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { verifyHeader } from './file-header.ts';
import { schemaVersion, verifiedVersion } from './schema.ts';
import { isDamaged } from './sqlite-errors.ts';
import { databasePath } from './state-directory.ts';
import { StateRows } from './state-rows.ts';

/**
 * Resolves to undefined when there is no state in the directory yet. Rejects with ERR_STATE_NEWER or ERR_STATE_OLDER, and
 * with ERR_STATE_DAMAGED, as the reader's functions do.
 */
export async function openDeliveryReader(directory: string): Promise<DeliveryReader | undefined> {
  const opened = openReadOnly(directory);
  if (opened === undefined) return undefined;
  const { database, explained } = opened;
  const rows = closingOnFailure(database, () => explained(() => new StateRows(database)));
  return {
    hashSecret: rows.hashSecret,
    createdOn: rows.createdOn,
    read: async (id) =>
      explained(() =>
        inSnapshot(database, () => ({
          state: rows.find(id),
          announcements: rows.announcements(id),
          settledLineHashes: [...rows.settledLineHashes(id)],
          ...rows.counts(id),
        })),
      ),
    async close() {
      database.close();
    },
  };
}

export interface ReadOnlyState {
  readonly database: DatabaseSync;
  /** What damage is called, wherever a read meets it. */
  explained<Result>(read: () => Result): Result;
}

/** @returns undefined when there is none, or one that no agent has written to yet. */
export function openReadOnly(directory: string): ReadOnlyState | undefined {
  const path = databasePath(directory);
  if (!existsSync(path)) return undefined;
  const explained = <Result>(read: () => Result): Result => {
    try {
      return read();
    } catch (error) {
      if (!isDamaged(error)) throw error;
      throw new AgentError('ERR_STATE_DAMAGED', `The state database ${path} is damaged: ${messageOf(error)}`, {
        cause: error,
        hint: 'The agent moves it aside when it starts, and sends everything again with the same log.record.uid.',
      });
    }
  };
  explained(() => verifyHeader(path));
  const database = new DatabaseSync(path, { readOnly: true });
  const version = closingOnFailure(database, () =>
    explained(() => inSnapshot(database, () => refuseOlder(verifiedVersion(database)))),
  );
  if (version > 0) return { database, explained };
  database.close();
  return undefined;
}

/** Who only looks cannot bring a state up to date. */
function refuseOlder(version: number): number {
  if (version === 0 || version === schemaVersion) return version;
  throw new AgentError(
    'ERR_STATE_OLDER',
    `The state has version ${version}, and this version of the command reads version ${schemaVersion}`,
    { hint: 'Start the agent of this version once: it brings the state up to date.' },
  );
}

function inSnapshot<Result>(database: DatabaseSync, look: () => Result): Result {
  database.exec('BEGIN');
  try {
    return look();
  } finally {
    database.exec('COMMIT');
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
