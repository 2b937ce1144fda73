/**
 * Errors of compressed streams that are truncated or corrupt.
 */
import { AgentError } from '../model/agent-error.ts';
import type { ByteReader } from './byte-reader.ts';

/** Exactly `countBytes` bytes. */
export async function takeAll(reader: ByteReader, countBytes: number): Promise<Uint8Array> {
  const bytes = await reader.take(countBytes);
  if (bytes.length < countBytes) throw truncated();
  return bytes;
}

export function truncated(): AgentError {
  return damaged('the compressed data is truncated');
}

export function garbageFollows(): AgentError {
  return damaged('garbage follows the compressed data');
}

/** Whether the stream may go on with these bytes; it may end within them. */
export function beginsWith(bytes: Uint8Array, magic: readonly number[]): boolean {
  return magic.slice(0, bytes.length).every((byte, index) => bytes[index] === byte);
}

export function damaged(what: string): AgentError {
  return new AgentError('ERR_OBJECT_DAMAGED', `Could not decompress the whole object: ${what}`, {
    hint: 'Deliver the object again. The lines before the damage have been shipped.',
  });
}
