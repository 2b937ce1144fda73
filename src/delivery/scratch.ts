/**
 * Line counts of objects too large for memory, in a database of their own that nobody waits for and that begins empty with
 * each process. When its disk refuses, the objects that use it are given up with ERR_STATE_WRITE and offered again; nothing
 * else stops, and the next object begins a new one.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LineIndex } from '../delivery-state.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';

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
    rmSync(this.#path, { force: true });
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
