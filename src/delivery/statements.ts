/**
 * The prepared statements that write the state.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { ofObject } from './state-rows.ts';

export type Statements = ReturnType<typeof prepareStatements>;

export function prepareStatements(database: DatabaseSync) {
  // UNION ALL lets SQLite use the index for each half; with OR, it scans every object of the lookback window.
  const withHashes = 'SELECT object_id FROM object WHERE has_line_hashes = 1 AND settled_etag IS NOT NULL';
  const unclaimed = 'uri NOT IN (SELECT value FROM json_each(?))';
  const isOld = `object_id IN (${withHashes} AND date < ? AND ${unclaimed}
    UNION ALL ${withHashes} AND date IS NULL AND settled_modified_at_ms < ? AND ${unclaimed})`;
  const prepare = (sql: string): StatementSync => database.prepare(sql);
  return {
    lastAnnouncement: prepare('SELECT max(announcement_id) AS id FROM announcement'),
    insertObject: prepare(
      `INSERT INTO object (uri, workspace_id, date, settled_offset_bytes, settled_line_count, settled_digest)
       VALUES (?, ?, ?, 0, 0, x'${sha256OfNothing}') ON CONFLICT (uri) DO NOTHING`,
    ),
    announce: prepare(
      `INSERT INTO announcement (announcement_id, object_id, observed_at_ms, line_hashes, occurrences, checksum)
       VALUES (?, (SELECT object_id FROM object WHERE uri = ?), ?, ?, ?, ?)`,
    ),
    forgetAnnouncement: prepare('DELETE FROM announcement WHERE announcement_id = ?'),
    forgetAnnouncements: prepare(`DELETE FROM announcement WHERE ${ofObject}`),
    movePosition: prepare(
      `UPDATE object SET settled_offset_bytes = ?, settled_line_count = ?, settled_digest = ? WHERE uri = ?`,
    ),
    count: prepare(
      `UPDATE object SET accepted_count = accepted_count + ?, dead_lettered_count = dead_lettered_count + ?,
         unparsed_count = unparsed_count + ? WHERE uri = ?`,
    ),
    addLineHashes: prepare(
      `INSERT INTO line_hashes (object_id, observed_at_ms, hashes, checksum)
       SELECT object_id, ?, ?, ? FROM object WHERE uri = ? AND has_line_hashes = 1`,
    ),
    finish: prepare(
      `UPDATE object SET settled_etag = ?, settled_size_bytes = ?, settled_modified_at_ms = ?, settled_fault = ?
       WHERE uri = ?`,
    ),
    reopen: prepare('UPDATE object SET settled_etag = NULL, settled_fault = NULL WHERE uri = ?'),
    rewind: prepare(
      `UPDATE object SET settled_offset_bytes = 0, settled_line_count = 0, settled_digest = x'${sha256OfNothing}'
       WHERE uri = ? AND has_line_hashes = 1`,
    ),
    forgetLineHashes: prepare(`DELETE FROM line_hashes WHERE ${ofObject}`),
    forgetObject: prepare('DELETE FROM object WHERE uri = ?'),
    dropLineHashes: prepare(`DELETE FROM line_hashes WHERE ${isOld}`),
    markDropped: prepare(`UPDATE object SET has_line_hashes = 0 WHERE ${isOld}`),
  };
}

const sha256OfNothing = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
