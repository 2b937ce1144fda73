/**
 * Line counts of objects too large for memory, in a database of their own that nobody waits for and that begins empty with
 * each process; each worker thread has one for itself. When its disk refuses, the objects that use it are given up with
 * ERR_STATE_WRITE and offered again; nothing else stops, and the next object begins a new one.
 */
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LineIndex } from '../contracts/delivery-state.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';

const pageCacheKibibytes = 4096;

/** @param worker the number of a worker thread; each has a file of its own. */
export function scratchPath(directory: string, worker?: number): string {
  return join(directory, worker === undefined ? 'scratch.db' : `scratch-${worker}.db`);
}

/** Removes what a process left behind, with however many threads. */
export function removeScratches(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/^scratch(-\d+)?\.db$/.test(name)) rmSync(join(directory, name), { force: true });
  }
}

export class Scratch {
  readonly #path: string;
  #database: DatabaseSync | undefined;
  #indexCount = 0;

  /** @param path of its file; without one it has no name and lies where SQLite puts temporary files. */
  constructor(path = '') {
    this.#path = path;
  }

  createLineIndex(): LineIndex {
    const index = this.#orGiveUp(this.#database, () => {
      this.#database ??= openScratch(this.#path);
      return createLineIndex(this.#database, `line_${++this.#indexCount}`);
    });
    const database = this.#database;
    return {
      get: (high, low) => this.#orGiveUp(database, () => index.get(high, low)),
      put: (slots) => this.#orGiveUp(database, () => index.put(slots)),
      skipSettled: () => this.#orGiveUp(database, () => index.skipSettled()),
      close: () => {
        // A database that was given up is gone with all of its tables.
        if (this.#database === database) index.close();
      },
    };
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
    this.#remove();
  }

  #remove(): void {
    if (this.#path !== '') rmSync(this.#path, { force: true });
  }

  /** Without a journal nothing can be rolled back: after an error the whole database is worth nothing. */
  #orGiveUp<Result>(database: DatabaseSync | undefined, work: () => Result): Result {
    try {
      return work();
    } catch (cause) {
      if (database === undefined || this.#database === database) this.close();
      throw new AgentError('ERR_STATE_WRITE', `Could not count lines in ${this.#path}: ${messageOf(cause)}`, {
        cause,
        hint: 'Free space on the volume. Nothing is lost: the object is offered again, and other objects go on.',
      });
    }
  }
}

function openScratch(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${pageCacheKibibytes}`);
  return database;
}

/** Hashes are random, so they are kept in rows of some dozens: a row for each would be written all over the file. */
const bucketCount = 1024;
const slotWords = 4;

function createLineIndex(database: DatabaseSync, table: string): LineIndex {
  database.exec(
    `CREATE TABLE ${table} (bucket INTEGER, run INTEGER, slots BLOB NOT NULL, PRIMARY KEY (bucket, run)) STRICT, WITHOUT ROWID`,
  );
  const select = database.prepare(`SELECT run, slots FROM ${table} WHERE bucket = ? ORDER BY run DESC`);
  const insert = database.prepare(`INSERT INTO ${table} (bucket, run, slots) VALUES (?, ?, ?)`);
  let runCount = 0;
  let skippedRunCount = 0;
  return {
    get(high, low) {
      for (const { run, slots } of select.iterate(low & (bucketCount - 1))) {
        const counts = findCounts(slots as Uint8Array, high, low);
        if (counts === undefined) continue; // Counts of a later run replace those of an earlier one.
        return Number(run) < skippedRunCount && counts.settled > 0 ? { ...counts, met: counts.settled } : counts;
      }
      return undefined;
    },
    put(slots) {
      const run = runCount++;
      database.exec('BEGIN');
      for (const [bucket, rows] of intoBuckets(slots).entries()) if (rows.length > 0) insert.run(bucket, run, rows);
      database.exec('COMMIT');
    },
    skipSettled() {
      skippedRunCount = runCount;
    },
    close() {
      database.exec(`DROP TABLE ${table}`);
    },
  };
}

/** The slots that hold a line, as bytes bucket by bucket. */
function intoBuckets(slots: Int32Array): Uint8Array[] {
  const sizes = new Uint32Array(bucketCount);
  const eachUsed = (visit: (at: number, bucket: number) => void) => {
    for (let at = 0; at < slots.length; at += slotWords) {
      if (slots[at + 2] !== 0 || slots[at + 3] !== 0) visit(at, (slots[at + 1] as number) & (bucketCount - 1));
    }
  };
  eachUsed((_at, bucket) => {
    sizes[bucket] = (sizes[bucket] as number) + slotWords;
  });
  const buckets = Array.from(sizes, (size) => new Int32Array(size));
  const filled = new Uint32Array(bucketCount);
  eachUsed((at, bucket) => {
    buckets[bucket]?.set(slots.subarray(at, at + slotWords), filled[bucket]);
    filled[bucket] = (filled[bucket] as number) + slotWords;
  });
  return buckets.map((bucket) => new Uint8Array(bucket.buffer));
}

function findCounts(bytes: Uint8Array, high: number, low: number): { settled: number; met: number } | undefined {
  const slots = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  for (let at = 0; at < slots.length; at += slotWords) {
    if (slots[at + 1] !== low || slots[at] !== high) continue;
    return { settled: slots[at + 2] as number, met: slots[at + 3] as number };
  }
  return undefined;
}
