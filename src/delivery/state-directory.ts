/**
 * The files of the state directory: locking, and moving a damaged database aside.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { reached } from '../contracts/step.ts';
import { AgentError } from '../model/agent-error.ts';
import { makeDirectory } from '../runtime/make-directory.ts';
import { createPrivateFile } from '../runtime/private-file.ts';
import { directoryFault, isBusy } from './sqlite-errors.ts';

export function databasePath(directory: string): string {
  return join(directory, 'delivery.db');
}

/** Size of the database and its write-ahead log; 0 if there is no database. */
export function stateSizeBytes(directory: string): number {
  const path = databasePath(directory);
  return [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/**
 * Gives this process exclusive use of the directory. SQLite takes an operating-system lock on a separate file: the lock ends
 * with the process, even after a crash, and does not block readers of the state.
 * @returns a function that releases the lock.
 * @throws AgentError ERR_STATE_LOCKED, or ERR_STATE_WRITE if the directory cannot be created or written.
 */
export function lockStateDirectory(directory: string): () => void {
  let lock: DatabaseSync | undefined;
  try {
    makeDirectory(directory, 0o700);
    createPrivateFile(join(directory, 'lock.db'));
    lock = new DatabaseSync(join(directory, 'lock.db'), { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    const held = lock;
    return () => held.close();
  } catch (error) {
    lock?.close();
    if (isBusy(error)) {
      throw new AgentError('ERR_STATE_LOCKED', `Another process is using the state directory ${directory}`, {
        cause: error,
        hint: 'Stop the other process, or give each agent its own state directory (DATABRICKS_AUDIT_STATE).',
      });
    }
    throw directoryFault(error, directory);
  }
}

/** Renames a damaged database so that a new one can replace it and a person can examine it. */
export function moveAside(directory: string, nowMs: number): string {
  const path = databasePath(directory);
  const aside = `${path}.damaged-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  for (const ending of ['', '-wal', '-shm']) {
    if (!existsSync(path + ending)) continue;
    renameSync(path + ending, aside + ending);
    reached('damaged file moved aside');
  }
  return aside;
}

/** Earlier versions counted the lines of large objects in scratch databases. */
export function removeScratchFiles(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^scratch(-\d+)?\.db$/.test(name)) rmSync(join(directory, name), { force: true });
  }
}
