/**
 * The part of the file system API that a directory source uses. The simulation provides its own.
 */
import { type BigIntStats, constants } from 'node:fs';
import { lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import { decodeName, encodePath } from './file-names.ts';

export interface DeliveryFiles {
  /** Of a symbolic link itself. The others follow links. */
  lstat(path: string): Promise<FileStats>;
  stat(path: string): Promise<FileStats>;
  readdir(path: string): Promise<readonly string[]>;
  realpath(path: string): Promise<string>;
  open(path: string): Promise<DeliveryFile>;
}

export interface DeliveryFile {
  stat(): Promise<FileStats>;
  /** Reads from this position into the buffer. @returns the number of bytes read; 0 at the end of the file. */
  read(buffer: Uint8Array, positionBytes: number): Promise<number>;
  close(): Promise<void>;
}

export type FileStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'isFile' | 'isDirectory' | 'isSymbolicLink'>;

/** Opening a pipe in place of a file would block until it has a writer; files are not affected. */
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
