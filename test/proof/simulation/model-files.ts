/**
 * A directory as the agent reads it, on the model bucket: calls take time, files grow while they are read, and a process that has a
 * file open keeps the old one when another is renamed over it.
 */
import { posix } from 'node:path';
import type { DeliveryFile, DeliveryFiles, FileStats } from '../../../src/sources/index.ts';
import type { Faults } from './faults.ts';
import type { ModelBucket, Version } from './model-bucket.ts';
import type { Settings } from './plan.ts';
import type { Life, World } from './world.ts';

/** Contains every key of the bucket. */
export const rootPath = '/audit';

export class ModelFiles {
  readonly #world: World;
  readonly #bucket: ModelBucket;
  readonly #faults: Faults;
  readonly #settings: Settings;
  openCount = 0;

  constructor(world: World, bucket: ModelBucket, faults: Faults, settings: Settings) {
    this.#world = world;
    this.#bucket = bucket;
    this.#faults = faults;
    this.#settings = settings;
  }

  of(life: Life): DeliveryFiles {
    const stat = async (path: string) => {
      this.#throwFault();
      const version = this.#find(path);
      if (version !== undefined) return statsOf(version);
      if (path === rootPath || this.#pathsIn(path).length > 0) return folderStats;
      throw failure('ENOENT');
    };
    return {
      stat,
      lstat: stat,
      readdir: async (path) => {
        await this.#call(life, 'list');
        return this.#namesIn(path);
      },
      realpath: async (path) => path,
      open: async (path) => {
        await this.#call(life, 'open');
        const version = this.#find(path);
        if (version === undefined) throw failure('ENOENT');
        return this.#open(version, life);
      },
    };
  }

  #open({ key, inode }: Version, life: Life): DeliveryFile {
    const world = this.#world;
    // The current content: a writer in place writes into the open file.
    const now = () => this.#bucket.versions(key).findLast((version) => version.inode === inode);
    life.openBodies++;
    this.openCount++;
    return {
      stat: async () => {
        await this.#call(life, 'read');
        return statsOf(now());
      },
      read: async (buffer, positionBytes) => {
        await this.#call(life, 'read');
        if (this.#faults.bucket('cut') && world.chance('cut').happens(0.3)) throw failure('EIO');
        const endBytes = positionBytes + Math.min(buffer.length, this.#settings.chunkBytes);
        const bytes = now()?.body.subarray(positionBytes, endBytes) ?? new Uint8Array(0);
        buffer.set(bytes);
        return bytes.length;
      },
      close: async () => {
        life.openBodies--;
      },
    };
  }

  #find(path: string): Version | undefined {
    const version = this.#bucket.versions(path.slice(1)).at(-1);
    return version?.untilMs === Number.POSITIVE_INFINITY ? version : undefined;
  }

  #namesIn(folder: string): string[] {
    const paths = this.#pathsIn(folder);
    const names = new Set(paths.map((path) => path.slice(folder.length + 1).split('/', 1)[0] ?? ''));
    return [...names].filter((name) => {
      const path = posix.join(folder, name);
      return !paths.includes(path) || this.#find(path) !== undefined;
    });
  }

  /** Includes deleted files: a folder remains when its last file is deleted. */
  #pathsIn(folder: string): string[] {
    return this.#bucket.keys.map((key) => `/${key}`).filter((path) => path.startsWith(`${folder}/`));
  }

  async #call(life: Life, kind: 'list' | 'open' | 'read'): Promise<void> {
    await this.#world.call(life, kind, this.#world.latencyMs(kind));
    this.#throwFault();
  }

  #throwFault(): void {
    if (this.#faults.bucket('denied')) throw failure('EACCES');
    if (this.#faults.bucket('throttled')) throw failure('ETIMEDOUT');
    if (this.#faults.bucket('failing') && this.#world.chance('bucket').happens(0.5)) throw failure('EIO');
  }
}

function statsOf(version: Version | undefined): FileStats {
  if (version === undefined) throw failure('ESTALE');
  const { inode, body, modifiedAtMs } = version;
  return {
    ino: BigInt(inode),
    size: BigInt(body.length),
    mtimeNs: BigInt(modifiedAtMs) * 1_000_000n,
    isFile: () => true,
    isDirectory: () => false,
    isSymbolicLink: () => false,
  };
}

const folderStats: FileStats = {
  ino: 0n,
  size: 0n,
  mtimeNs: 0n,
  isFile: () => false,
  isDirectory: () => true,
  isSymbolicLink: () => false,
};

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
