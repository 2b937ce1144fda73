/**
 * The part of the file system API that a directory source uses. The simulation provides its own.
 */
import type { BigIntStats } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';

export interface DeliveryFiles {
  /** Follows symbolic links, as all of these do. */
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

export type FileStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'isFile' | 'isDirectory'>;

export const realFiles: DeliveryFiles = {
  stat: (path) => stat(path, { bigint: true }),
  readdir: (path) => readdir(path),
  realpath: (path) => realpath(path),
  async open(path) {
    const file = await open(path);
    return {
      stat: () => file.stat({ bigint: true }),
      read: async (buffer, positionBytes) => (await file.read(buffer, 0, buffer.length, positionBytes)).bytesRead,
      close: () => file.close(),
    };
  },
};
