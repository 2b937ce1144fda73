/**
 * What the rows of the state database say, for the agent that writes them and for commands that only look.
 */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Announcement, LineHashes, ObjectState } from '../delivery-state.ts';
import type { ObjectId } from '../model/object.ts';

export class StateRows {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  readonly #statements: ReturnType<typeof prepareReading>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareReading(database);
    this.hashSecret = bytes(this.#statements.meta.get('hash_secret')?.value);
    this.createdOn = Buffer.from(bytes(this.#statements.meta.get('created_on')?.value)).toString();
  }

  find(id: ObjectId): ObjectState | undefined {
    const row = this.#statements.find.get(id);
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
        digest: bytes(row.settled_digest),
        atLineEnd: row.settled_at_line_end === 1,
      },
      hasLineHashes: row.has_line_hashes === 1,
    };
  }

  settledLineHashes(id: ObjectId): LineHashes[] {
    return this.#statements.lineHashes.all(id).map((row) => toHashes(row.hashes));
  }

  announcements(id: ObjectId): Announcement[] {
    return this.#statements.announcements.all(id).map((row) => ({
      observedAtMs: Number(row.observed_at_ms),
      occurrenceHashes: toHashes(row.occurrence_hashes),
    }));
  }

  /** How often lines of the object were settled, by how they ended. */
  counts(id: ObjectId): { readonly acceptedCount: number; readonly deadLetteredCount: number } {
    const row = this.#statements.find.get(id);
    return {
      acceptedCount: Number(row?.accepted_count ?? 0),
      deadLetteredCount: Number(row?.dead_lettered_count ?? 0),
    };
  }
}

/** The object of a row in another table, by its name. */
export const ofObject = 'object_id = (SELECT object_id FROM object WHERE uri = ?)';

function prepareReading(database: DatabaseSync) {
  return {
    meta: database.prepare('SELECT value FROM meta WHERE name = ?'),
    find: database.prepare('SELECT * FROM object WHERE uri = ?'),
    lineHashes: database.prepare(`SELECT hashes FROM line_hashes WHERE ${ofObject}`),
    announcements: database.prepare(`SELECT observed_at_ms, occurrence_hashes FROM announcement WHERE ${ofObject}`),
  };
}

function bytes(value: SQLOutputValue | undefined): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new Error('the state database holds no bytes where they belong');
  return value;
}

function toHashes(value: SQLOutputValue | undefined): LineHashes {
  return new Uint32Array(bytes(value).slice().buffer);
}
