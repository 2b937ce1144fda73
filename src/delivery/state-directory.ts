/**
 * The files of the state directory: who may use it, and what happens to a database that is damaged.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { reached } from '../contracts/step.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { makeDirectory } from '../runtime/make-directory.ts';
import { createPrivateFile } from '../runtime/private-file.ts';
import { isBusy } from './sqlite-errors.ts';

export function databasePath(directory: string): string {
  return join(directory, 'delivery.db');
}

/** Of the database and its write-ahead log; 0 while there is none. */
export function stateSizeBytes(directory: string): number {
  const path = databasePath(directory);
  return [path, `${path}-wal`].reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0);
}

/**
 * Makes this process the only one that ships with the directory. The lock is one of the operating system's on a file of its
 * own (SQLite takes it): it ends with the process, however that ends, and readers of the state are not held up by it.
 * @returns the function that gives the lock back.
 * @throws AgentError ERR_STATE_LOCKED, or ERR_STATE_WRITE when the directory cannot be made or written.
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
      throw new AgentError('ERR_STATE_LOCKED', `Another process ships with the state directory ${directory}`, {
        cause: error,
        hint: 'Give each agent a state directory of its own (DATABRICKS_AUDIT_STATE), or stop the other process.',
      });
    }
    throw new AgentError('ERR_STATE_WRITE', `Could not use the state directory ${directory}: ${messageOf(error)}`, {
      cause: error,
      hint: 'Mount a volume that this user can write to, and set DATABRICKS_AUDIT_STATE to it.',
    });
  }
}

/** Renames a damaged database so that a new one can take its place and somebody can look at the old one. */
export function moveAside(directory: string, nowMs: number): string {
  const path = databasePath(directory);
  const aside = `${path}.damaged-${new Date(nowMs).toISOString().replaceAll(':', '')}`;
  for (const ending of ['', '-wal', '-shm']) {
    if (!existsSync(path + ending)) continue;
    renameSync(path + ending, aside + ending);
    reached('damaged file set aside');
  }
  return aside;
}

/** Earlier versions counted the lines of large objects in databases of their own. */
export function removeScratchFiles(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^scratch(-\d+)?\.db$/.test(name)) rmSync(join(directory, name), { force: true });
  }
}
