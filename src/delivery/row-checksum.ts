/**
 * Detects what SQLite does not: bits of a row that flipped on the disk. CRC-32 detects every error burst of up to 32 bits and
 * misses one in 2^32 of the others. docs/disk-and-state.md says which rows need it and why.
 */
import { crc32 } from 'node:zlib';
import { DamageFound } from './sqlite-errors.ts';

/** @param owner is included in the checksum, so that a row cannot be taken for that of another object. */
export function checksumOf(owner: string, content: Uint8Array): number {
  return crc32(content, crc32(owner));
}

/** @throws DamageFound if the content does not match the checksum. */
export function verified(owner: string, content: unknown, checksum: unknown): Uint8Array {
  if (content instanceof Uint8Array && checksumOf(owner, content) === checksum) return content;
  throw new DamageFound('a row does not match its checksum');
}
