/**
 * Finds out whether an agent could use a state directory, without creating a state or changing one.
 */
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { directoryFault } from './sqlite-errors.ts';
import { databasePath, lockStateDirectory } from './state-directory.ts';
import { openDeliveryReader } from './state-reader.ts';

/** Enough to notice a full disk. */
const trialBytes = 64 * 1024;

/**
 * Resolves to whether the directory exists. Rejects with ERR_STATE_LOCKED, ERR_STATE_NEWER, ERR_STATE_OLDER, ERR_STATE_DAMAGED or
 * ERR_STATE_WRITE.
 */
export async function probeState(directory: string): Promise<'exists' | 'canBeCreated'> {
  const place = nearestExisting(resolve(directory));
  if (place !== resolve(directory)) {
    explained(directory, () => {
      if (!statSync(place).isDirectory()) throw new Error(`${place} is not a directory`);
      accessSync(place, constants.W_OK | constants.X_OK);
    });
    return 'canBeCreated';
  }
  if (existsSync(join(directory, 'lock.db'))) lockStateDirectory(directory)();
  const reader = await openDeliveryReader(directory);
  await reader?.close();
  explained(directory, () => {
    if (existsSync(databasePath(directory))) accessSync(databasePath(directory), constants.W_OK);
    tryToWrite(join(directory, `check-${process.pid}.tmp`));
  });
  return 'exists';
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

function explained(directory: string, attempt: () => void): void {
  try {
    attempt();
  } catch (cause) {
    throw directoryFault(cause, directory);
  }
}
