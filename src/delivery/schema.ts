/**
 * The tables of the state database and the way from each older version of them to the next.
 * Lengths in a row: about 400 bytes an object, 8 bytes a settled line for as long as the look-back lasts.
 */
import { randomBytes } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { AgentError } from '../model/agent-error.ts';

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
  (database) => {
    database.exec(`
      -- The newest event that was settled of each workspace ('' for a tree without), and its silence if it has one.
      CREATE TABLE workspace (
        workspace_id          TEXT    PRIMARY KEY,
        last_event_ms         INTEGER NOT NULL,
        silent_since_ms       INTEGER,
        silence_threshold_ms  INTEGER,
        silence_told          INTEGER NOT NULL DEFAULT 0,
        silence_ended_by_ms   INTEGER
      ) STRICT, WITHOUT ROWID;
    `);
  },
];

const hashSecretBytes = 80;

export const schemaVersion = migrations.length;

/**
 * Brings the database to the current version, in one transaction.
 * @param createdOn the date to remember when the database is new.
 * @throws AgentError ERR_STATE_NEWER when a newer agent wrote it.
 */
export function migrate(database: DatabaseSync, createdOn: string): void {
  const version = refuseNewer(database);
  if (version === schemaVersion) return;
  database.exec('BEGIN IMMEDIATE');
  for (const step of migrations.slice(version)) step(database, createdOn);
  database.exec(`PRAGMA user_version = ${schemaVersion}; COMMIT`);
}

/**
 * @returns the version of the database.
 * @throws AgentError ERR_STATE_NEWER when a newer agent wrote it.
 */
export function refuseNewer(database: DatabaseSync): number {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version <= schemaVersion) return version;
  throw new AgentError(
    'ERR_STATE_NEWER',
    `The state has version ${version}, and this agent knows versions up to ${schemaVersion}`,
    { hint: 'Run the agent version that wrote the state, or a newer one. Nothing was changed.' },
  );
}
