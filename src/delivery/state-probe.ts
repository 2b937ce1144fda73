/**
 * Finds out whether an agent could use a state directory, without creating a state or changing one.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import { probeDirectory } from '../runtime/probe-directory.ts';
import { directoryFault } from './sqlite-errors.ts';
import { databasePath, lockStateDirectory } from './state-directory.ts';
import { openDeliveryReader } from './state-reader.ts';

/**
 * Resolves to whether the directory exists. Rejects with ERR_STATE_LOCKED, ERR_STATE_NEWER, ERR_STATE_OLDER, ERR_STATE_DAMAGED or
 * ERR_STATE_WRITE.
 */
export async function probeState(directory: string): Promise<'exists' | 'canBeCreated'> {
  if (!existsSync(directory)) return explained(directory, () => probeDirectory(directory));
  if (existsSync(join(directory, 'lock.db'))) lockStateDirectory(directory)();
  const reader = await openDeliveryReader(directory);
  await reader?.close();
  return explained(directory, () => {
    if (existsSync(databasePath(directory))) accessSync(databasePath(directory), constants.W_OK);
    return probeDirectory(directory);
  });
}

function explained<Value>(directory: string, attempt: () => Value): Value {
  try {
    return attempt();
  } catch (cause) {
    throw directoryFault(cause, directory);
  }
}
