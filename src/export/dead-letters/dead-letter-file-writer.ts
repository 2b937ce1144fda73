/**
 * Appends dead letters to files in a directory.
 */
import { existsSync } from 'node:fs';
import { constants, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reached } from '../../contracts/step.ts';
import { type Clock, utcDate } from '../../runtime/clock.ts';
import { tryLockFile } from '../../runtime/file-lock.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';
import { lockPathOf } from './dead-letter-files.ts';
import { type DeadLetterWriter, toJsonLines } from './dead-letters.ts';

export interface DeadLetterFileWriterOptions {
  readonly directory: string;
  /** A new file is started before this size is exceeded. A single larger write still goes into one file. */
  readonly fileBytesMax?: number;
  readonly files?: DeadLetterFiles | undefined;
}

/** The part of node:fs/promises that is used here. */
export interface DeadLetterFiles {
  open(path: string, flags: number | string, mode?: number): Promise<DeadLetterFile>;
  unlink(path: string): Promise<void>;
}

export interface DeadLetterFile {
  appendFile(bytes: Uint8Array): Promise<void>;
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

interface OpenFile {
  readonly handle: DeadLetterFile;
  /** While the lock is held, `replay` skips the file. */
  readonly unlock: () => void;
  readonly date: string;
  sizeBytes: number;
}

const fileBytesMaxDefault = 64 * 1024 * 1024;

export class DeadLetterFileWriter implements DeadLetterWriter {
  readonly name: string;
  readonly hint = 'Free space, or grant write access to the directory. Shipping then resumes automatically.';
  readonly #directory: string;
  readonly #fileBytesMax: number;
  readonly #files: DeadLetterFiles;
  readonly #clock: Clock;
  #file: OpenFile | undefined;

  constructor(options: DeadLetterFileWriterOptions, clock: Clock) {
    this.name = options.directory;
    this.#directory = options.directory;
    this.#fileBytesMax = options.fileBytesMax ?? fileBytesMaxDefault;
    this.#files = options.files ?? { open, unlink };
    this.#clock = clock;
  }

  async write(records: readonly string[], note: object): Promise<void> {
    const bytes = Buffer.from(toJsonLines(records, note));
    try {
      const file = await this.#fileFor(bytes.length);
      reached('dead letter begun');
      await file.handle.appendFile(bytes);
      reached('dead letter written');
      await file.handle.sync();
      reached('dead letter durable');
      file.sizeBytes += bytes.length;
    } catch (error) {
      await this.#cutTornEnd();
      throw error;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
    file?.unlock();
  }

  async #fileFor(appendBytes: number): Promise<OpenFile> {
    const date = utcDate(this.#clock.nowMs());
    const current = this.#file;
    if (current !== undefined) {
      const hasRoom = current.sizeBytes === 0 || current.sizeBytes + appendBytes <= this.#fileBytesMax;
      if (current.date === date && hasRoom) return current;
      await this.close();
    }
    this.#file = { ...(await createNextFile(this.#directory, date, this.#files)), date, sizeBytes: 0 };
    return this.#file;
  }

  /** Removes the remains of a failed write, which the next record must not follow. If that fails, starts a new file. */
  async #cutTornEnd(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await file.handle.truncate(file.sizeBytes);
    } catch {
      this.#file = undefined;
      await file.handle.close().catch(() => undefined);
      file.unlock();
    }
  }
}

/** Always creates a new file: an old one may end in the middle of a line, where a crash interrupted a write. */
async function createNextFile(
  directory: string,
  date: string,
  files: DeadLetterFiles,
): Promise<Pick<OpenFile, 'handle' | 'unlock'>> {
  makeDirectory(directory, 0o700);
  const flags = constants.O_APPEND | constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
  for (let number = 1; ; number++) {
    const path = join(directory, `dead-letters-${date}-${number}.jsonl`);
    const unlock = existsSync(path) ? undefined : tryLockFile(lockPathOf(path));
    if (unlock === undefined) continue;
    try {
      const handle = await files.open(path, flags, 0o600);
      await makeNameDurable(directory, path, handle, files);
      return { handle, unlock };
    } catch (error) {
      unlock();
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}

async function makeNameDurable(
  directory: string,
  path: string,
  handle: DeadLetterFile,
  files: DeadLetterFiles,
): Promise<void> {
  try {
    await syncDirectory(directory, files);
    // The parent has to be synced if the directory is new. This may fail, because the parent may belong to another user.
    await syncDirectory(dirname(directory), files).catch(() => undefined);
  } catch (error) {
    await handle.close();
    await files.unlink(path);
    throw error;
  }
}

/** A new name survives a power failure only once its directory has been synced. */
export async function syncDirectory(directory: string, files: DeadLetterFiles = { open, unlink }): Promise<void> {
  const handle = await files.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
