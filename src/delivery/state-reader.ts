/**
 * Looks into the state without taking part in it, also while an agent ships with it.
 */
import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { DeliveryReader } from '../delivery-state.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { refuseOtherVersion } from './schema.ts';
import { Scratch } from './scratch.ts';
import { isDamaged } from './sqlite-errors.ts';
import { databasePath } from './state-directory.ts';
import { StateRows } from './state-rows.ts';

/**
 * @returns undefined when there is no state in the directory yet.
 * @throws AgentError ERR_STATE_DAMAGED or ERR_STATE_NEWER, as the reader's functions do.
 */
export function openDeliveryReader(directory: string): DeliveryReader | undefined {
  const opened = openReadOnly(directory);
  if (opened === undefined) return undefined;
  const { database, explained } = opened;
  const rows = closingOnFailure(database, () => explained(() => new StateRows(database)));
  const scratch = new Scratch();
  return {
    hashSecret: rows.hashSecret,
    createdOn: rows.createdOn,
    find: (id) => explained(() => rows.find(id)),
    counts: (id) => explained(() => rows.counts(id)),
    settledLineHashes: (id) => explained(() => [...rows.settledLineHashes(id)]),
    announcements: (id) => explained(() => rows.announcements(id)),
    createLineIndex: () => scratch.createLineIndex(),
    inSnapshot: (look) =>
      explained(() => {
        database.exec('BEGIN');
        try {
          return look();
        } finally {
          database.exec('COMMIT');
        }
      }),
    close() {
      scratch.close();
      database.close();
    },
  };
}

export interface ReadOnlyState {
  readonly database: DatabaseSync;
  /** What damage is called, wherever a read meets it. */
  explained<Result>(read: () => Result): Result;
}

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
  const database = new DatabaseSync(path, { readOnly: true });
  closingOnFailure(database, () => explained(() => refuseOtherVersion(database)));
  return { database, explained };
}

function closingOnFailure<Result>(database: DatabaseSync, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    database.close();
    throw error;
  }
}
