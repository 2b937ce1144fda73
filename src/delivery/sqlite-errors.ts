/**
 * Classifies SQLite's result codes (https://www.sqlite.org/rescode.html), and defines damage for which SQLite has no code.
 */
import { AgentError, messageOf } from '../model/agent-error.ts';

const [busy, corrupt, constraint, mismatch, notADatabase] = [5, 11, 19, 20, 26];

/** The database can be read, but its content is impossible. */
export class DamageFound extends Error {}

/** The primary result code: the low byte of an extended one. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === busy;
}

/** True if the file is not a database, its structure is broken, or its content contradicts itself. */
export function isDamaged(error: unknown): boolean {
  if (error instanceof DamageFound) return true;
  // Node.js refuses to read integers beyond 2^53, and the agent never writes any.
  if (error instanceof Error && 'code' in error && error.code === 'ERR_OUT_OF_RANGE') return true;
  const code = resultCode(error);
  // The agent never violates a constraint unless the data that it builds on is broken.
  return code === corrupt || code === notADatabase || code === constraint || code === mismatch;
}

/** True for any other SQLite error: the disk is full, missing, read-only or failing, and a later attempt may succeed. */
export function isSqliteError(error: unknown): boolean {
  return resultCode(error) !== undefined;
}

export function writeFault(cause: unknown, directory: string): AgentError {
  return new AgentError('ERR_STATE_WRITE', `Could not write the state in ${directory}: ${messageOf(cause)}`, {
    cause,
    hint: 'Free space on the volume, or make it writable. Nothing is lost: shipping pauses until the state can be written.',
  });
}

export function openFault(cause: unknown, directory: string): AgentError {
  return new AgentError('ERR_STATE_WRITE', `Could not open the state in ${directory}: ${messageOf(cause)}`, {
    cause,
    hint: volumeHint,
  });
}

export function directoryFault(cause: unknown, directory: string): AgentError {
  return new AgentError('ERR_STATE_WRITE', `Could not use the state directory ${directory}: ${messageOf(cause)}`, {
    cause,
    hint: volumeHint,
  });
}

const volumeHint = 'Mount a volume with free space that this user can write to, and set DATABRICKS_AUDIT_STATE to it.';
