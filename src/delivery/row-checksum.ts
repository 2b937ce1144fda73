/**
 * Notices what SQLite does not: a bit of a row's content that flipped on the disk. CRC-32 finds every damage of up to 32 bits
 * in a row and misses one in four thousand million of the others. docs/disk-and-state.md says which rows need it and why.
 */
import { crc32 } from 'node:zlib';
import { DamageFound } from './sqlite-errors.ts';

/** @param owner whose content it is, so that a row never counts for another object. */
export function checksumOf(owner: string, content: Uint8Array): number {
  return crc32(content, crc32(owner));
}

/** @throws DamageFound unless the content is the one that the checksum was made of. */
export function verified(owner: string, content: unknown, checksum: unknown): Uint8Array {
  if (content instanceof Uint8Array && checksumOf(owner, content) === checksum) return content;
  throw new DamageFound('a row does not match its checksum');
}
