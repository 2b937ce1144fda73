/**
 * The tables of the state database and the way from each older version of them to the next.
 * Lengths in a row: about 400 bytes an object, 8 bytes a settled line for as long as the look-back lasts.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { reached } from '../contracts/step.ts';
import { AgentError } from '../model/agent-error.ts';
import { metaText, writeMeta } from './meta.ts';
import { checksumOf } from './row-checksum.ts';
import { DamageFound } from './sqlite-errors.ts';

/** Each entry leads from the version before it (PRAGMA user_version) to its own. Entries are never changed once released. */
const migrations: readonly ((database: DatabaseSync, createdOn: string) => void)[] = [
  (database, createdOn) => {
    database.exec(`
      CREATE TABLE meta (
        name  TEXT PRIMARY KEY,
        value BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;

      CREATE TABLE object (
        object_id               INTEGER PRIMARY KEY,
        uri                     TEXT    NOT NULL UNIQUE,
        workspace_id            TEXT,
        date                    TEXT,
        -- The version whose end was reached; NULL before that.
        settled_etag            TEXT,
        settled_size_bytes      INTEGER,
        settled_modified_at_ms  INTEGER,
        -- Everything before this position of the decoded object is settled.
        settled_offset_bytes    INTEGER NOT NULL,
        settled_line_count      INTEGER NOT NULL,
        settled_digest          BLOB    NOT NULL,
        settled_at_line_end     INTEGER NOT NULL,
        has_line_hashes         INTEGER NOT NULL DEFAULT 1,
        accepted_count          INTEGER NOT NULL DEFAULT 0,
        dead_lettered_count     INTEGER NOT NULL DEFAULT 0
      ) STRICT;
      CREATE INDEX object_by_date ON object (date) WHERE has_line_hashes = 1;

      -- Batches about to be sent or under way.
      CREATE TABLE announcement (
        announcement_id    INTEGER PRIMARY KEY,
        object_id          INTEGER NOT NULL,
        observed_at_ms     INTEGER NOT NULL,
        occurrence_hashes  BLOB    NOT NULL
      ) STRICT;
      CREATE INDEX announcement_by_object ON announcement (object_id);

      -- Eight bytes for each settled line, a row for each settled batch.
      CREATE TABLE line_hashes (
        line_hashes_id  INTEGER PRIMARY KEY,
        object_id       INTEGER NOT NULL,
        hashes          BLOB    NOT NULL
      ) STRICT;
      CREATE INDEX line_hashes_by_object ON line_hashes (object_id);
    `);
    const insert = database.prepare('INSERT INTO meta (name, value) VALUES (?, ?)');
    insert.run('hash_secret', randomBytes(hashSecretBytes));
    insert.run('created_on', Buffer.from(createdOn));
  },
  // Whether the settled part ends with a newline follows from its digest. Other rows are checked when they are read.
  (database) => {
    database.function('row_checksum', { deterministic: true }, (owner, content) =>
      checksumOf(String(owner), content instanceof Uint8Array ? content : new Uint8Array()),
    );
    database.exec(`
      -- The newest event that was settled of each workspace ('' for a tree without), and its silence if it has one.
      CREATE TABLE workspace (
        workspace_id          TEXT    PRIMARY KEY,
        last_event_ms         INTEGER NOT NULL,
        silent_since_ms       INTEGER,
        silence_threshold_ms  INTEGER,
        silence_told          INTEGER NOT NULL,
        silence_ended_by_ms   INTEGER,
        checksum              INTEGER NOT NULL
      ) STRICT, WITHOUT ROWID;

      ALTER TABLE object DROP COLUMN settled_at_line_end;
      ALTER TABLE meta ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE announcement ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      ALTER TABLE line_hashes ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;
      UPDATE meta SET checksum = row_checksum(name, value);
      UPDATE announcement SET checksum = row_checksum(
        (SELECT uri FROM object WHERE object_id = announcement.object_id) || char(10) || observed_at_ms, occurrence_hashes);
      UPDATE line_hashes SET checksum = row_checksum(
        (SELECT uri FROM object WHERE object_id = line_hashes.object_id), hashes);
    `);
  },
  // An announcement names lines and their occurrences; where `occurrences` is NULL the hashes include them, as before.
  (database) => {
    database.exec(`
      ALTER TABLE announcement RENAME COLUMN occurrence_hashes TO line_hashes;
      ALTER TABLE announcement ADD COLUMN occurrences BLOB;
    `);
  },
  // Lines that could not be parsed; they are in accepted_count or dead_lettered_count as well.
  (database) => {
    database.exec('ALTER TABLE object ADD COLUMN unparsed_count INTEGER NOT NULL DEFAULT 0');
  },
];

const hashSecretBytes = 80;

export const schemaVersion = migrations.length;

/**
 * Brings the database to the current version, in one transaction.
 * @param createdOn the date to remember when the database is new.
 * @throws as verifiedVersion does.
 */
export function migrate(database: DatabaseSync, createdOn: string): void {
  const version = verifiedVersion(database);
  if (version === schemaVersion) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of migrations.slice(version)) step(database, createdOn);
  writeMeta(database, 'schema_version', Buffer.from(String(schemaVersion)));
  database.exec(`PRAGMA user_version = ${schemaVersion}`);
  reached('schema written');
  database.exec('COMMIT');
}

/**
 * @returns the version of the database, whose tables are those of this version; 0 when it is new.
 * @throws AgentError ERR_STATE_NEWER when a newer agent wrote it, and DamageFound when no version of the agent did.
 */
export function verifiedVersion(database: DatabaseSync): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > schemaVersion) throw explainNewer(database, version);
  if (schemaOf(database) !== schemaOfVersion(version)) throw new DamageFound('the tables are not those of the agent');
  return version;
}

function explainNewer(database: DatabaseSync, version: number): Error {
  if (metaText(database, 'schema_version') !== String(version)) return new DamageFound('the version is damaged');
  return new AgentError(
    'ERR_STATE_NEWER',
    `The state has version ${version}, and this agent knows versions up to ${schemaVersion}`,
    { hint: 'Run the agent version that wrote the state, or a newer one. Nothing was changed.' },
  );
}

/** The statements that made the tables, as SQLite keeps them. */
function schemaOf(database: DatabaseSync): string {
  const rows = database.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all();
  return JSON.stringify(rows);
}

function schemaOfVersion(version: number): string {
  const database = new DatabaseSync(':memory:');
  try {
    for (const step of migrations.slice(0, version)) step(database, '');
    return schemaOf(database);
  } finally {
    database.close();
  }
}
