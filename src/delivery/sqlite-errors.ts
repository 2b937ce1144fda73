/**
 * What SQLite's result codes mean for the agent (https://www.sqlite.org/rescode.html), and damage that SQLite has no code for.
 */
import { AgentError, messageOf } from '../model/agent-error.ts';

const [busy, corrupt, constraint, mismatch, notADatabase] = [5, 11, 19, 20, 26];

/** The database can be read, and what it says cannot be true. */
export class DamageFound extends Error {}

/** The primary result code: the low byte of an extended one. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === busy;
}

/** The file is no database any more, its structure is broken, or its content contradicts itself. */
export function isDamaged(error: unknown): boolean {
  if (error instanceof DamageFound) return true;
  // Node.js does not read whole numbers beyond 2^53, and the agent writes none.
  if (error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE') return true;
  const code = resultCode(error);
  // What the agent writes keeps every constraint, unless what it builds on is broken.
  return code === corrupt || code === notADatabase || code === constraint || code === mismatch;
}

/** The disk is full, gone, read-only or failing: the database is as it was, and the same write may pass later. */
export function isSqliteError(error: unknown): boolean {
  return resultCode(error) !== undefined;
}

export function writeFault(cause: unknown, directory: string): AgentError {
  return new AgentError('ERR_STATE_WRITE', `Could not write the state in ${directory}: ${messageOf(cause)}`, {
    cause,
    hint: 'Free space on the volume or make it writable. Nothing is lost: shipping pauses until the state can be written.',
  });
}
