/**
 * The tables of the state database, and the migrations between their versions.
 * Size: about 400 bytes per object, plus 8 bytes per settled line within the lookback window and
 * some 30 bytes for each batch that they were settled in.
 */
import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { reached } from '../contracts/step.ts';
import { AgentError } from '../model/agent-error.ts';
import { metaText, writeMeta } from './meta.ts';
import { checksumOf } from './row-checksum.ts';
import { DamageFound } from './sqlite-errors.ts';

/**
 * Entry n migrates from version n (PRAGMA user_version) to n + 1. Entries are never changed once released, not even the
 * comments in the SQL: SQLite keeps the text, and `verifiedVersion` compares it.
 */
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
  // `settled_at_line_end` is redundant: it follows from the bytes that are hashed again.
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
  // An announcement has line hashes and occurrences. If `occurrences` is NULL, the hashes include them, as before.
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
  // The observed time with which the lines were sent. NULL in older rows: theirs is unknown if the object was overwritten.
  (database) => {
    database.exec('ALTER TABLE line_hashes ADD COLUMN observed_at_ms INTEGER');
  },
  // What was wrong with the settled version, as JSON; NULL if nothing was, and in older rows.
  (database) => {
    database.exec(`
      ALTER TABLE object ADD COLUMN settled_fault TEXT;
      CREATE INDEX object_with_fault ON object (uri) WHERE settled_fault IS NOT NULL;
    `);
  },
];

const hashSecretBytes = 80;

export const schemaVersion = migrations.length;

/**
 * Migrates the database to the current version, in one transaction.
 * @param createdOn the creation date to record if the database is new.
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
 * @returns the version of the database, after checking that its tables are those of that version; 0 if it is new.
 * @throws AgentError ERR_STATE_NEWER if a newer agent wrote it, and DamageFound if its tables are not those of its version.
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
    `The state has schema version ${version}, but this agent supports only versions up to ${schemaVersion}`,
    { hint: 'Run the agent version that wrote the state, or a newer one. Nothing was changed.' },
  );
}

/** The CREATE statements, as SQLite stores them. */
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
