/**
 * Damage in the first bytes of the database that SQLite takes for something else.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { DamageFound } from './sqlite-errors.ts';

const headerBytes = 100;
const [writeVersionAt, readVersionAt, schemaFormatAt] = [18, 19, 44];
const [versionMax, schemaFormatMax] = [2, 4];

/**
 * With a version from the future SQLite opens a database read-only, and the agent would wait for ever for a disk that can be
 * written; with a schema format from the future it says no more than "error". https://www.sqlite.org/fileformat.html
 * @param path of a database that need not exist.
 * @throws DamageFound
 */
export function verifyHeader(path: string): void {
  const header = readStart(path);
  if (header.length < headerBytes) return; // New, or cut: SQLite knows.
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
    return Buffer.alloc(0); // What is wrong with it shows when SQLite opens it.
  }
  try {
    const header = Buffer.alloc(headerBytes);
    return header.subarray(0, readSync(file, header));
  } finally {
    closeSync(file);
  }
}
