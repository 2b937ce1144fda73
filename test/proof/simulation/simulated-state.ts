/**
 * The state directory: real SQLite on real files, on a disk that fills up and loses power. When a process dies, the next one starts
 * with a copy of its files at that moment, so whatever the dead one still does has no effect.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Faults } from './faults.ts';
import type { Life, World } from './world.ts';

const sqliteFull = 13;
const walHeaderBytes = 32;
const walFrameBytes = 4096 + 24;

export class SimulatedState {
  readonly #root: string;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #onCommit: () => void;
  /** The write-ahead log before the latest transaction: a power loss during its commit may leave any part of it. */
  #walBefore: Buffer = Buffer.alloc(0);
  #database: DatabaseSync | undefined;

  constructor(root: string, world: World, faults: Faults, onCommit: () => void) {
    this.#root = root;
    this.#world = world;
    this.#faults = faults;
    this.#onCommit = onCommit;
  }

  directory(life: number): string {
    const directory = join(this.#root, `life-${life}`);
    mkdirSync(directory, { recursive: true });
    return directory;
  }

  /** @param keepWalBefore for a death during the commit. */
  open(path: string, life: Life, keepWalBefore: () => boolean): DatabaseSync {
    const committing = () => {
      if (!life.alive) return;
      if (this.#faults.diskIsFull('state'))
        throw Object.assign(new Error('database or disk is full'), { errcode: sqliteFull });
      if (keepWalBefore()) this.#walBefore = readWal(path);
    };
    const committed = () => {
      if (life.alive) this.#onCommit();
    };
    const database = new ObservedDatabase(path, committing, committed);
    this.#database = database;
    return database;
  }

  /** The files as the next process finds them. */
  inherit(from: number, to: number, how: 'kill' | 'powerLoss' | 'powerLossInCommit'): void {
    const [source, target] = [join(this.directory(from), 'delivery.db'), join(this.directory(to), 'delivery.db')];
    if (!existsSync(source)) return;
    copyFileSync(source, target);
    const wal = readWal(source);
    writeFileSync(`${target}-wal`, how === 'kill' ? wal : this.#afterPowerLoss(wal, how === 'powerLossInCommit'));
  }

  damage(life: number, how: 'lost' | 'damaged'): void {
    const path = join(this.directory(life), 'delivery.db');
    rmSync(`${path}-wal`, { force: true });
    if (how === 'lost') rmSync(path, { force: true });
    else if (existsSync(path)) writeFileSync(path, Buffer.alloc(20_000, 'garbage '));
  }

  remove(life: number): void {
    rmSync(this.directory(life), { recursive: true, force: true });
  }

  /** What was synced remains, followed by a part of what was being written, truncated anywhere. */
  #afterPowerLoss(wal: Buffer, inCommit: boolean): Buffer {
    const before = inCommit ? this.#walBefore : this.#isSynchronous() ? wal : Buffer.alloc(0);
    const safeBytes = sameLog(before, wal) ? endOfFrames(before) : 0;
    const endBytes = endOfFrames(wal);
    if (endBytes <= safeBytes) return wal;
    const tornAt = this.#world.chance('torn write').between(safeBytes, endBytes - 1);
    return Buffer.concat([wal.subarray(0, tornAt), before.subarray(tornAt)]);
  }

  /** Whether each commit waits for the disk (https://www.sqlite.org/pragma.html#pragma_synchronous). */
  #isSynchronous(): boolean {
    return Number(this.#database?.prepare('PRAGMA synchronous').get()?.synchronous) >= 2;
  }
}

/** Reports transactions, and is otherwise the wrapped database. */
class ObservedDatabase extends DatabaseSync {
  readonly #committing: () => void;
  readonly #committed: () => void;

  constructor(path: string, committing: () => void, committed: () => void) {
    super(path);
    this.#committing = committing;
    this.#committed = committed;
  }

  override exec(sql: string): void {
    const commits = sql.endsWith('COMMIT');
    if (commits) this.#committing();
    super.exec(sql);
    if (commits) this.#committed();
  }
}

function readWal(path: string): Buffer {
  return existsSync(`${path}-wal`) ? readFileSync(`${path}-wal`) : Buffer.alloc(0);
}

/** The salts in the header change when the log is restarted (https://www.sqlite.org/fileformat2.html#walformat). */
function sameLog(before: Buffer, after: Buffer): boolean {
  return before.length >= walHeaderBytes && before.subarray(16, 24).equals(after.subarray(16, 24));
}

/** After the last frame of this log; older frames with other salts may follow. */
function endOfFrames(wal: Buffer): number {
  let end = walHeaderBytes;
  while (end + walFrameBytes <= wal.length && wal.subarray(end + 8, end + 16).equals(wal.subarray(16, 24))) {
    end += walFrameBytes;
  }
  return Math.min(end, wal.length);
}
