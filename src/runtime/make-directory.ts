/**
 * Creates a directory and its missing parents. Node.js's `mkdir` with `recursive` never returns if the file system reports ENOENT
 * although the parent exists (seen with 26.10 below /proc), so this creates the directories one by one.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Throws the file system's own error.
 * @param mode of each directory that it creates.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  const parent = dirname(path);
  if (!existsSync(parent)) makeDirectory(parent, mode);
  if (!existsSync(path)) mkdirSync(path, { mode });
}
