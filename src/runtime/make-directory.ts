/**
 * Makes a directory and those above it. `mkdir` with `recursive` of Node.js never returns where the file system says ENOENT
 * although the parent is there (seen with 26.10 below /proc), so the steps are taken here.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/** @param mode of the directories that it makes. Throws what the file system says. */
export function makeDirectory(path: string, mode = 0o777): void {
  const parent = dirname(path);
  if (!existsSync(parent)) makeDirectory(parent, mode);
  if (!existsSync(path)) mkdirSync(path, { mode });
}
