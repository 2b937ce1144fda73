/**
 * Finds out whether a directory can be written or created, without leaving anything behind.
 */
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/** Enough to notice a full disk. */
const trialBytes = 64 * 1024;

/** Throws the file system's own error. */
export function probeDirectory(directory: string): 'exists' | 'canBeCreated' {
  const path = resolve(directory);
  if (existsSync(path)) {
    tryToWrite(join(path, `check-${process.pid}.tmp`));
    return 'exists';
  }
  const place = nearestExisting(dirname(path));
  if (!statSync(place).isDirectory()) throw new Error(`${place} is not a directory`);
  accessSync(place, constants.W_OK | constants.X_OK);
  return 'canBeCreated';
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

function tryToWrite(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(trialBytes), { flag: 'wx', mode: 0o600, flush: true });
  } finally {
    rmSync(path, { force: true });
  }
}
