/**
 * The disk for dead letters: it fills up, tears writes, and at a power loss forgets what was not synced.
 */
import type { DeadLetterFile, DeadLetterFiles } from '../../../src/export/index.ts';
import type { Faults } from './faults.ts';
import type { Life, World } from './world.ts';

interface StoredFile {
  bytes: Buffer;
  /** How many of them survive a power loss. */
  syncedBytes: number;
  nameIsSynced: boolean;
}

export class ModelDisk {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #files = new Map<string, StoredFile>();
  /** Receives what is safe from now on. */
  readonly #onSynced: (text: string, life: Life) => void;

  constructor(world: World, faults: Faults, onSynced: (text: string, life: Life) => void) {
    this.#world = world;
    this.#faults = faults;
    this.#onSynced = onSynced;
  }

  get contents(): string[] {
    return [...this.#files.values()].map(({ bytes }) => bytes.toString());
  }

  losePower(): void {
    const chance = this.#world.chance('power');
    for (const [path, file] of this.#files) {
      if (!file.nameIsSynced && chance.happens(0.5)) this.#files.delete(path);
      file.bytes = file.bytes.subarray(0, chance.between(file.syncedBytes, file.bytes.length));
    }
  }

  of(life: Life): DeadLetterFiles {
    return {
      open: async (path, flags) => {
        await this.#call(life);
        if (typeof flags === 'string') return this.#directory(life);
        if (this.#files.has(path)) throw failure('EEXIST');
        const file: StoredFile = { bytes: Buffer.alloc(0), syncedBytes: 0, nameIsSynced: false };
        this.#files.set(path, file);
        return this.#file(file, life);
      },
      unlink: async (path) => {
        await this.#call(life);
        this.#files.delete(path);
      },
    };
  }

  #file(file: StoredFile, life: Life): DeadLetterFile {
    return {
      appendFile: async (bytes) => {
        await this.#call(life);
        const full = this.#faults.diskIsFull('letters');
        const writtenBytes = full ? this.#world.chance('torn').between(0, bytes.length - 1) : bytes.length;
        file.bytes = Buffer.concat([file.bytes, bytes.subarray(0, writtenBytes)]);
        if (full) throw failure('ENOSPC');
      },
      sync: async () => {
        await this.#call(life);
        this.#onSynced(file.bytes.subarray(file.syncedBytes).toString(), life);
        file.syncedBytes = file.bytes.length;
      },
      truncate: async (sizeBytes) => {
        await this.#call(life);
        file.bytes = file.bytes.subarray(0, sizeBytes);
        file.syncedBytes = Math.min(file.syncedBytes, sizeBytes);
      },
      close: async () => {},
    };
  }

  #directory(life: Life): DeadLetterFile {
    const never = async () => {
      throw failure('EISDIR');
    };
    return {
      appendFile: never,
      truncate: never,
      sync: async () => {
        await this.#call(life);
        for (const file of this.#files.values()) file.nameIsSynced = true;
      },
      close: async () => {},
    };
  }

  async #call(life: Life): Promise<void> {
    await this.#world.call(life, 'letters', this.#world.latencyMs('letters'));
    if (!life.alive) await new Promise(() => {});
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
