/**
 * Facts about the database itself, one row each. Every version of the agent can read these rows.
 */
import { Buffer } from 'node:buffer';
import type { DatabaseSync } from 'node:sqlite';
import { checksumOf, verified } from './row-checksum.ts';

/**
 * `hash_secret` keys the line hashes. `created_on` is the meaning of `DATABRICKS_AUDIT_START=now`: a wrong date would skip
 * objects. `schema_version` repeats PRAGMA user_version, which has no checksum.
 */
export type MetaName = 'hash_secret' | 'created_on' | 'schema_version';

/** @throws DamageFound if the row is missing or was altered. */
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
