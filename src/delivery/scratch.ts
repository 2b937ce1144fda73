/**
 * Line counts of objects too large for memory, in a database of their own that nobody waits for and that begins empty with
 * each process.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LineIndex } from '../delivery-state.ts';

const pageCacheKibibytes = 4096;

export class Scratch {
  readonly #path: string;
  #database: DatabaseSync | undefined;
  #indexCount = 0;

  constructor(directory: string) {
    this.#path = join(directory, 'scratch.db');
    rmSync(this.#path, { force: true });
  }

  createLineIndex(): LineIndex {
    this.#database ??= openScratch(this.#path);
    return createLineIndex(this.#database, `line_${++this.#indexCount}`);
  }

  close(): void {
    this.#database?.close();
    rmSync(this.#path, { force: true });
  }
}

function openScratch(path: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -${pageCacheKibibytes}`);
  return database;
}

function createLineIndex(database: DatabaseSync, table: string): LineIndex {
  database.exec(
    `CREATE TABLE ${table} (hash INTEGER PRIMARY KEY, settled INTEGER NOT NULL, met INTEGER NOT NULL) STRICT`,
  );
  const select = database.prepare(`SELECT settled, met FROM ${table} WHERE hash = ?`);
  const replace = database.prepare(`INSERT OR REPLACE INTO ${table} (hash, settled, met) VALUES (?, ?, ?)`);
  replace.setReadBigInts(true); // It answers with the row's id, which is the hash.
  return {
    get(high, low) {
      const row = select.get(toKey(high, low));
      return row === undefined ? undefined : { settled: Number(row.settled), met: Number(row.met) };
    },
    put(slots) {
      database.exec('BEGIN');
      for (let at = 0; at < slots.length; at += 4) {
        const settled = slots[at + 2] as number;
        const met = slots[at + 3] as number;
        if (settled > 0 || met > 0) replace.run(toKey(slots[at] as number, slots[at + 1] as number), settled, met);
      }
      database.exec('COMMIT');
    },
    skipSettled() {
      database.exec(`UPDATE ${table} SET met = settled WHERE settled > 0`);
    },
    close() {
      database.exec(`DROP TABLE ${table}`);
    },
  };
}

/** SQLite's integers have 64 bits with sign. */
function toKey(high: number, low: number): bigint {
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
}
