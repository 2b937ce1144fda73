/**
 * Reads the rows of the state database, for the agent and for commands that only read. Throws DamageFound if a row was
 * altered.
 */
import { Buffer } from 'node:buffer';
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import type { Announcement, ObjectState, SettledLines } from '../contracts/delivery-state.ts';
import { type SettledFault, settledFaultSchema } from '../contracts/settled-fault.ts';
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
      settledFault: toSettledFault(row.settled_fault),
      settled: {
        offsetBytes: Number(row.settled_offset_bytes),
        lineCount: Number(row.settled_line_count),
        digest: row.settled_digest instanceof Uint8Array ? row.settled_digest : new Uint8Array(),
      },
      hasLineHashes: row.has_line_hashes === 1,
    };
  }

  /** Whether there is an object whose id begins with one of these. */
  knowsAny(idsBeginWith: readonly string[]): boolean {
    return idsBeginWith.some((start) => {
      const { uri } = this.#statements.from.get(start) ?? {};
      return typeof uri === 'string' && uri.startsWith(start);
    });
  }

  /** Of those of the objects whose settled version has one. */
  settledFaults(ids: readonly ObjectId[]): Map<ObjectId, SettledFault> {
    const faults = new Map<ObjectId, SettledFault>();
    for (const row of this.#statements.settledFaults.all(JSON.stringify(ids))) {
      const fault = toSettledFault(row.settled_fault);
      if (fault !== undefined) faults.set(String(row.uri) as ObjectId, fault);
    }
    return faults;
  }

  /** In the order in which they were settled. */
  *settledLines(id: ObjectId): Generator<SettledLines> {
    for (const row of this.#statements.lineHashes.all(id)) yield toSettledLines(id, row);
  }

  announcements(id: ObjectId): Announcement[] {
    return this.#statements.announcements.all(id).map((row) => toAnnouncement(id, row));
  }

  /** How many lines of the object were settled, by outcome. */
  counts(id: ObjectId): { readonly acceptedCount: number; readonly deadLetteredCount: number } {
    const row = this.#findRow(id);
    return {
      acceptedCount: Number(row?.accepted_count ?? 0),
      deadLetteredCount: Number(row?.dead_lettered_count ?? 0),
    };
  }

  /** A damaged index can return the row of another object. */
  #findRow(id: ObjectId): Record<string, SQLOutputValue> | undefined {
    const row = this.#statements.find.get(id);
    if (row !== undefined && row.uri !== id) throw new DamageFound('the index of objects is damaged');
    return row;
  }
}

/** Condition that selects the rows of one object in another table, by its URI. */
export const ofObject = 'object_id = (SELECT object_id FROM object WHERE uri = ?)';

/** The owner of a row, for its checksum. */
export function ownerAt(id: ObjectId, observedAtMs: number | undefined): string {
  return observedAtMs === undefined ? id : `${id}\n${observedAtMs}`;
}

function prepareReading(database: DatabaseSync) {
  return {
    find: database.prepare('SELECT * FROM object WHERE uri = ?'),
    from: database.prepare('SELECT uri FROM object WHERE uri >= ? ORDER BY uri LIMIT 1'),
    // Usually there are none, and the index of those with a fault is empty.
    settledFaults: database.prepare(
      `SELECT uri, settled_fault FROM object INDEXED BY object_with_fault
       WHERE settled_fault IS NOT NULL AND uri IN (SELECT value FROM json_each(?))`,
    ),
    lineHashes: database.prepare(
      `SELECT observed_at_ms, hashes, checksum FROM line_hashes WHERE ${ofObject} ORDER BY line_hashes_id`,
    ),
    announcements: database.prepare(
      `SELECT observed_at_ms, line_hashes, occurrences, checksum FROM announcement WHERE ${ofObject}`,
    ),
  };
}

/** The blobs of an announcement's row. If every occurrence is 1, as is usual, the occurrences are an empty blob. */
export function announcementContent({ lineHashes, occurrences }: Announcement): {
  readonly lineHashes: Uint8Array;
  readonly occurrences: Uint8Array;
} {
  const allFirst = occurrences.every((occurrence) => occurrence === 1);
  return { lineHashes: toBlob(lineHashes), occurrences: allFirst ? new Uint8Array() : toBlob(occurrences) };
}

export function toBlob(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function toAnnouncement(id: ObjectId, row: Record<string, SQLOutputValue>): Announcement {
  const observedAtMs = Number(row.observed_at_ms);
  const [hashes, occurrences] = [bytesOf(row.line_hashes), bytesOf(row.occurrences)];
  verified(ownerAt(id, observedAtMs), Buffer.concat([hashes, occurrences]), row.checksum);
  const lineHashes = toWords(hashes);
  const lineCount = lineHashes.length / 2;
  if (occurrences.length > 0) return { observedAtMs, lineHashes, occurrences: toWords(occurrences) };
  // Rows from before schema version 3 have no occurrences: their hashes include them.
  return { observedAtMs, lineHashes, occurrences: new Int32Array(lineCount).fill(row.occurrences === null ? 0 : 1) };
}

/** @throws DamageFound if the text is not one that the agent wrote. */
function toSettledFault(text: SQLOutputValue | undefined): SettledFault | undefined {
  if (typeof text !== 'string') return undefined;
  try {
    return settledFaultSchema.parse(JSON.parse(text));
  } catch {
    throw new DamageFound('the fault of a settled version is damaged');
  }
}

function bytesOf(value: SQLOutputValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array();
}

function toWords(bytes: Uint8Array): Int32Array {
  return new Int32Array(bytes.slice().buffer);
}

function toSettledLines(
  id: ObjectId,
  { observed_at_ms, hashes, checksum }: Record<string, SQLOutputValue>,
): SettledLines {
  // Rows from before schema version 5 have no observed time.
  const observedAtMs = typeof observed_at_ms === 'number' ? observed_at_ms : undefined;
  return { lineHashes: toWords(verified(ownerAt(id, observedAtMs), hashes, checksum)), observedAtMs };
}
