/**
 * The calls of the file system that a directory source makes. The simulation has files of its own.
 */
import { type BigIntStats, constants } from 'node:fs';
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { decodeName, encodePath } from './file-names.ts';

export interface DeliveryFiles {
  /** Of a link itself. The others follow links. */
  lstat(path: string): Promise<FileStats>;
  stat(path: string): Promise<FileStats>;
  readdir(path: string): Promise<readonly string[]>;
  realpath(path: string): Promise<string>;
  open(path: string): Promise<DeliveryFile>;
}

export interface DeliveryFile {
  stat(): Promise<FileStats>;
  /** Fills the buffer as far as it gets, from this position on. @returns how many bytes it has read; 0 at the end. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
  close(): Promise<void>;
}

export type FileStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

/** A pipe in the place of a file would wait for its writer for ever; nothing changes for a file. */
const readWithoutWaiting = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

export const realFiles: DeliveryFiles = {
  lstat: (path) => lstat(encodePath(path), { bigint: true }),
  stat: (path) => stat(encodePath(path), { bigint: true }),
  readdir: async (path) => (await readdir(encodePath(path), { encoding: 'buffer' })).map(decodeName),
  realpath: async (path) => decodeName(await realpath(encodePath(path), { encoding: 'buffer' })),
  async open(path) {
    const file = await open(encodePath(path), readWithoutWaiting);
    return {
      stat: () => file.stat({ bigint: true }),
      read: async (buffer, positionBytes) => (await file.read(buffer, 0, buffer.length, positionBytes)).bytesRead,
      close: () => file.close(),
    };
  },
};
