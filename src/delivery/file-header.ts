/**
 * Detects damage in the database header that SQLite misinterprets.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { DamageFound } from './sqlite-errors.ts';

const headerBytes = 100;
const [writeVersionAt, readVersionAt, schemaFormatAt] = [18, 19, 44];
const [versionMax, schemaFormatMax] = [2, 4];

/**
 * If a version in the header is higher than SQLite knows, it opens the database read-only, and the agent would wait forever
 * for a writable disk; if the schema format is, it reports just "error". https://www.sqlite.org/fileformat.html
 * @param path a database that need not exist.
 * @throws DamageFound
 */
export function verifyHeader(path: string): void {
  const header = readStart(path);
  if (header.length < headerBytes) return; // New or truncated: SQLite handles both.
  const version = Math.max(header.readUInt8(writeVersionAt), header.readUInt8(readVersionAt));
  if (version > versionMax || header.readUInt32BE(schemaFormatAt) > schemaFormatMax) {
    throw new DamageFound('the header of the database is damaged');
  }
}

function readStart(path: string): Buffer {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return Buffer.alloc(0); // SQLite reports the problem when it opens the file.
  }
  try {
    const header = Buffer.alloc(headerBytes);
    return header.subarray(0, readSync(file, header));
  } finally {
    closeSync(file);
  }
}
