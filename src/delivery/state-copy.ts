/**
 * Copies the state in SQLite from and to another state.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { AnnouncementId } from '../contracts/delivery-state.ts';
import type { ObjectContents, StateContents } from '../contracts/state-copy.ts';
import { AgentError } from '../model/agent-error.ts';
import type { ObjectId } from '../model/object.ts';
import { createPrivateFile } from '../runtime/private-file.ts';
import { writeMeta } from './meta.ts';
import { migrate } from './schema.ts';
import { databasePath, lockStateDirectory } from './state-directory.ts';
import { openReadOnly } from './state-reader.ts';
import { StateRows } from './state-rows.ts';
import { prepareStatements } from './statements.ts';
import { WorkspaceRows } from './workspace-rows.ts';
import { addAnnouncement, addSettledLines, finishVersion } from './written-lines.ts';

/**
 * Locks the state until it is closed. Undefined if the directory contains none.
 * Throws ERR_STATE_LOCKED, ERR_STATE_NEWER or ERR_STATE_OLDER; the iteration also throws ERR_STATE_DAMAGED.
 */
export function openStateContents(directory: string): StateContents | undefined {
  if (!existsSync(databasePath(directory))) return undefined;
  const unlock = lockStateDirectory(directory);
  try {
    const opened = openReadOnly(directory);
    if (opened !== undefined) return new SqliteContents(opened, unlock);
  } catch (error) {
    unlock();
    throw error;
  }
  unlock();
  return undefined;
}

class SqliteContents implements StateContents {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly workspaces: StateContents['workspaces'];
  readonly #opened: NonNullable<ReturnType<typeof openReadOnly>>;
  readonly #rows: StateRows;
  readonly #unlock: () => void;

  constructor(opened: NonNullable<ReturnType<typeof openReadOnly>>, unlock: () => void) {
    this.#opened = opened;
    this.#unlock = unlock;
    const { database, explainingFailure } = opened;
    this.#rows = explainingFailure(() => new StateRows(database));
    this.hashSecret = this.#rows.hashSecret;
    this.createdOn = this.#rows.createdOn;
    this.workspaces = explainingFailure(() => new WorkspaceRows(database).all());
  }

  async *objects(): AsyncIterable<ObjectContents> {
    const { database, explainingFailure } = this.#opened;
    const select = database.prepare('SELECT uri, workspace_id, date, unparsed_count FROM object');
    for (const row of select.iterate()) {
      const id = String(row.uri) as ObjectId;
      yield explainingFailure(() => {
        const state = this.#rows.find(id);
        if (state === undefined) throw new Error('the row was selected');
        return {
          id,
          workspaceId: row.workspace_id?.toString(),
          date: row.date?.toString(),
          state,
          announcements: this.#rows.announcements(id),
          settledLines: [...this.#rows.settledLines(id)],
          ...this.#rows.counts(id),
          unparsedCount: Number(row.unparsed_count),
        };
      });
    }
  }

  async close(): Promise<void> {
    this.#opened.database.close();
    this.#unlock();
  }
}

/**
 * Creates the state. It is there completely or not at all.
 * @param onObject called after each object.
 * Rejects with ERR_STATE_EXISTS if there is one already, and with ERR_STATE_LOCKED or ERR_STATE_WRITE.
 */
export async function createStateFrom(directory: string, contents: StateContents, onObject: () => void): Promise<void> {
  const unlock = lockStateDirectory(directory);
  const path = databasePath(directory);
  const copy = `${path}.copy`;
  try {
    if (existsSync(path)) throw explainExists(directory);
    rmSync(copy, { force: true });
    createPrivateFile(copy);
    const database = new DatabaseSync(copy);
    try {
      migrate(database, contents.createdOn);
      database.exec('BEGIN IMMEDIATE');
      await writeAll(database, contents, onObject);
      database.exec('COMMIT');
    } finally {
      database.close();
    }
    renameSync(copy, path);
  } finally {
    rmSync(copy, { force: true });
    unlock();
  }
}

async function writeAll(database: DatabaseSync, contents: StateContents, onObject: () => void): Promise<void> {
  const statements = prepareStatements(database);
  const markDropped = database.prepare('UPDATE object SET has_line_hashes = 0 WHERE uri = ?');
  writeMeta(database, 'hash_secret', contents.hashSecret);
  const workspaces = new WorkspaceRows(database);
  for (const events of contents.workspaces) workspaces.put(events);
  let announcementCount = 0;
  for await (const object of contents.objects()) {
    const { id, state, announcements, settledLines } = object;
    const { settled, settledVersion } = state;
    statements.insertObject.run(id, object.workspaceId ?? null, object.date ?? null);
    statements.movePosition.run(settled.offsetBytes, settled.lineCount, settled.digest, id);
    statements.count.run(object.acceptedCount, object.deadLetteredCount, object.unparsedCount, id);
    if (settledVersion !== undefined) finishVersion(statements, id, settledVersion, state.settledFault);
    for (const lines of settledLines) addSettledLines(statements, id, lines);
    if (!state.hasLineHashes) markDropped.run(id);
    for (const announcement of announcements)
      addAnnouncement(statements, ++announcementCount as AnnouncementId, id, announcement);
    onObject();
  }
}

function explainExists(directory: string): AgentError {
  return new AgentError('ERR_STATE_EXISTS', `There is a state in ${directory} already; nothing was changed`, {
    hint: 'Copy to a directory without a state.',
  });
}
