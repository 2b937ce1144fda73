/**
 * What the rows of the state database say, for the agent that writes them and for commands that only look. Whatever is not as
 * it was written is DamageFound.
 */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Announcement, LineHashes, ObjectState } from '../contracts/delivery-state.ts';
import type { ObjectId } from '../model/object.ts';
import { metaText, readMeta } from './meta.ts';
import { verified } from './row-checksum.ts';
import { DamageFound } from './sqlite-errors.ts';

export class StateRows {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly #statements: ReturnType<typeof prepareReading>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareReading(database);
    this.hashSecret = readMeta(database, 'hash_secret');
    this.createdOn = metaText(database, 'created_on');
  }

  find(id: ObjectId): ObjectState | undefined {
    const row = this.#findRow(id);
    if (row === undefined) return undefined;
    return {
      settledVersion:
        row.settled_etag === null
          ? undefined
          : {
              etag: String(row.settled_etag),
              sizeBytes: Number(row.settled_size_bytes),
              modifiedAtMs: Number(row.settled_modified_at_ms),
            },
      settled: {
        offsetBytes: Number(row.settled_offset_bytes),
        lineCount: Number(row.settled_line_count),
        digest: row.settled_digest instanceof Uint8Array ? row.settled_digest : new Uint8Array(),
      },
      hasLineHashes: row.has_line_hashes === 1,
    };
  }

  *settledLineHashes(id: ObjectId): Generator<LineHashes> {
    for (const { hashes, checksum } of this.#statements.lineHashes.all(id)) yield toHashes(id, hashes, checksum);
  }

  announcements(id: ObjectId): Announcement[] {
    return this.#statements.announcements.all(id).map((row) => {
      const observedAtMs = Number(row.observed_at_ms);
      const owner = announcementOwner(id, observedAtMs);
      return { observedAtMs, occurrenceHashes: toHashes(owner, row.occurrence_hashes, row.checksum) };
    });
  }

  /** How many lines of the object were settled, by how they ended. */
  counts(id: ObjectId): { readonly acceptedCount: number; readonly deadLetteredCount: number } {
    const row = this.#findRow(id);
    return {
      acceptedCount: Number(row?.accepted_count ?? 0),
      deadLetteredCount: Number(row?.dead_lettered_count ?? 0),
    };
  }

  /** What the index leads to has to be the object that was asked for. */
  #findRow(id: ObjectId): Record<string, SQLOutputValue> | undefined {
    const row = this.#statements.find.get(id);
    if (row !== undefined && row.uri !== id) throw new DamageFound('the index of the objects is damaged');
    return row;
  }
}

/** The object of a row in another table, by its name. */
export const ofObject = 'object_id = (SELECT object_id FROM object WHERE uri = ?)';

export function announcementOwner(id: ObjectId, observedAtMs: number): string {
  return `${id}\n${observedAtMs}`;
}

function prepareReading(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT * FROM object WHERE uri = ?'),
    lineHashes: database.prepare(`SELECT hashes, checksum FROM line_hashes WHERE ${ofObject}`),
    announcements: database.prepare(
      `SELECT observed_at_ms, occurrence_hashes, checksum FROM announcement WHERE ${ofObject}`,
    ),
  };
}

/** Hashes in a row of the object, once they are known to be those that were written. */
function toHashes(
  owner: string,
  content: SQLOutputValue | undefined,
  checksum: SQLOutputValue | undefined,
): LineHashes {
  return new Int32Array(verified(owner, content, checksum).slice().buffer);
}
