/**
 * A lock of the operating system's on a file of its own (SQLite takes it): it ends with the process that holds it, however that
 * ends.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const sqliteBusy = 5;

/** @returns the function that gives the lock back and removes its file; undefined while somebody else holds it. */
export function tryLockFile(path: string): (() => void) | undefined {
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && Number(error.errcode) % 256 === sqliteBusy) return undefined;
    throw error;
  }
  return () => {
    rmSync(path, { force: true });
    lock.close();
  };
}
