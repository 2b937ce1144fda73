/**
 * What SQLite's result codes mean for the agent (https://www.sqlite.org/rescode.html).
 */
import { AgentError, messageOf } from '../model/agent-error.ts';

const [busy, corrupt, notADatabase] = [5, 11, 26];

/** The primary result code: the low byte of an extended one. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === busy;
}

/** The file is no database any more, or its structure is broken. */
export function isDamaged(error: unknown): boolean {
  const code = resultCode(error);
  return code === corrupt || code === notADatabase;
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
