/**
 * An operating-system lock on a dedicated file, taken through SQLite. The operating system releases it when the process ends, even
 * after a crash.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { createPrivateFile } from './private-file.ts';

const sqliteBusy = 5;

/** @returns a function that releases the lock and removes its file, or undefined while another process holds the lock. */
export function tryLockFile(path: string): (() => void) | undefined {
  createPrivateFile(path);
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
