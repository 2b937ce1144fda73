/**
 * Creates a file that only its owner can read, before a library creates it with the process's umask.
 */
import { closeSync, openSync } from 'node:fs';

/** Never opens a file that exists: closing it would release the locks that this process holds on it. */
export function createPrivateFile(path: string): void {
  try {
    closeSync(openSync(path, 'ax', 0o600));
  } catch {
    // It exists, or whoever opens it next gets the same error.
  }
}
