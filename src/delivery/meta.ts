/**
 * What the database says about itself, a row for each fact. These rows stay readable for every version of the agent.
 */
import { Buffer } from 'node:buffer';
import type { DatabaseSync } from 'node:sqlite';
import { checksumOf, verified } from './row-checksum.ts';

/**
 * `hash_secret` goes into the hashes of lines. `created_on` is the date that `START=now` means: a wrong one would skip
 * objects. `schema_version` repeats PRAGMA user_version, which nothing protects.
 */
export type MetaName = 'hash_secret' | 'created_on' | 'schema_version';

/** @throws DamageFound when the row is not there or not as it was written. */
export function readMeta(database: DatabaseSync, name: MetaName): Uint8Array {
  const row = database.prepare('SELECT value, checksum FROM meta WHERE name = ?').get(name);
  return verified(name, row?.value, row?.checksum);
}

export function writeMeta(database: DatabaseSync, name: MetaName, value: Uint8Array): void {
  database
    .prepare('INSERT OR REPLACE INTO meta (name, value, checksum) VALUES (?, ?, ?)')
    .run(name, value, checksumOf(name, value));
}

export function metaText(database: DatabaseSync, name: MetaName): string {
  return Buffer.from(readMeta(database, name)).toString();
}
