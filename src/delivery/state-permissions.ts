/**
 * Makes an existing state private: earlier versions created it with the umask of the process, and a restored backup may have any mode.
 */
import { chmodSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../model/agent-error.ts';
import type { Logger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';

const stateFile = /^(delivery|lock|scratch(-\d+)?)\.db/;
const deadLetterFile = /^dead-letters-.*\.jsonl/;

/** Does not throw: a directory that belongs to another user is usable too, for example on a volume with an fsGroup. */
export function restrictPermissions(directory: string, logger: Logger): void {
  const faults = [
    ...restrictAll(directory, (name) => stateFile.test(name), ['dead-letters', 'lost+found']),
    ...restrictAll(join(directory, 'dead-letters'), (name) => deadLetterFile.test(name), []),
  ];
  if (faults.length === 0) return;
  const reason = printable(faults.join('; '));
  logger.info({ directory, reason }, 'Some permissions of the state directory stay as they are');
}

function restrictAll(directory: string, isOurs: (name: string) => boolean, known: readonly string[]): string[] {
  const names = namesIn(directory);
  if (names === undefined) return [];
  const faults = names.filter(isOurs).flatMap((name) => restrict(join(directory, name), 0o600));
  // A directory with other contents, such as /tmp, is shared with other programs.
  const isShared = names.some((name) => !isOurs(name) && !known.includes(name));
  return isShared ? faults : [...faults, ...restrict(directory, 0o700)];
}

/** Undefined if there is no such directory, or none that we may read: then there is nothing of ours that could be changed. */
function namesIn(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory);
  } catch {
    return undefined;
  }
}

/** Follows no links: they may lead to files of others. @returns what went wrong. */
function restrict(path: string, mode: 0o600 | 0o700): string[] {
  try {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || !(mode === 0o700 ? stats.isDirectory() : stats.isFile())) return [];
    // chmod fails for a file of another user even if there is nothing to change.
    if ((stats.mode & 0o777 & ~mode) !== 0) chmodSync(path, mode);
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}
