/**
 * Writes records that the collector rejected to disk, so that nothing is lost silently.
 *
 * Each line of a file is one record in OTLP/JSON (`{"resourceLogs":[...],"deadLetter":{...}}`), which the Collector's
 * `otlp_json_file` receiver can read: OTLP requires receivers to ignore unknown members, and the Collector does. The reason
 * is next to the record and not in its attributes, because a replayed record must be identical, byte for byte, to one that the
 * backend may already have stored.
 */
import { existsSync } from 'node:fs';
import { constants, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Observer, toFault, unobserved } from '../../contracts/observer.ts';
import { reached } from '../../contracts/step.ts';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import type { ResponseCode } from '../../model/response-code.ts';
import { type BackoffPolicy, backoffMs } from '../../runtime/backoff.ts';
import { type Clock, utcDate } from '../../runtime/clock.ts';
import { tryLockFile } from '../../runtime/file-lock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';
import { SampledLog } from '../../runtime/sampled-log.ts';
import { Semaphore } from '../../runtime/semaphore.ts';
import { formatVersion, lockPathOf } from './dead-letter-files.ts';

export interface DeadLetterReason extends ResponseCode {
  readonly reason: string;
  /** After a partial success: this many of `ofRecords` were rejected, and OTLP does not say which. */
  readonly rejectedRecords?: number;
  readonly ofRecords?: number;
}

export interface DeadLettersOptions {
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
const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export class DeadLetters {
  readonly #directory: string;
  readonly #fileBytesMax: number;
  readonly #files: DeadLetterFiles;
  readonly #clock: Clock;
  readonly #log: SampledLog;
  readonly #observe: Observer;
  /** Allows one write at a time. */
  readonly #writing = new Semaphore(1);
  #file: OpenFile | undefined;

  constructor(options: DeadLettersOptions, clock: Clock, logger: Logger, observe: Observer = unobserved) {
    this.#directory = options.directory;
    this.#fileBytesMax = options.fileBytesMax ?? fileBytesMaxDefault;
    this.#files = options.files ?? { open, unlink };
    this.#clock = clock;
    this.#log = new SampledLog(clock, logger);
    this.#observe = observe;
  }

  /**
   * Resolves when the records are durable, however long that takes: if the disk is full, it retries.
   * Rejects with the signal's reason if it aborts first.
   * @param jsonLines one record each, as returned by `Mapper.toJsonLine`.
   */
  async write(jsonLines: readonly string[], reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    const note = { version: formatVersion, time: new Date(this.#clock.nowMs()).toISOString(), ...reason };
    const bytes = Buffer.from(jsonLines.map((line) => `${withNote(line, note)}\n`).join(''));
    const release = await this.#writing.acquire(signal);
    try {
      const sinceMs = this.#clock.nowMs();
      for (let failedAttempts = 1; ; failedAttempts++) {
        const error = await this.#tryAppend(bytes);
        if (error === undefined) {
          if (failedAttempts > 1) this.#observe({ kind: 'resumed', for: 'deadLetterFile' });
          return;
        }
        const delayMs = backoffMs(retryPolicy, failedAttempts - 1, this.#clock);
        const retryAtMs = this.#clock.nowMs() + delayMs;
        const fault = toFault(error);
        this.#observe({ kind: 'waiting', for: 'deadLetterFile', fault, sinceMs, failedAttempts, retryAtMs });
        await this.#clock.sleep(delayMs, signal);
      }
    } finally {
      release();
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
    file?.unlock();
  }

  async #tryAppend(bytes: Uint8Array): Promise<AgentError | undefined> {
    try {
      const file = await this.#fileFor(bytes.length);
      reached('dead letter begun');
      await file.handle.appendFile(bytes);
      reached('dead letter written');
      await file.handle.sync();
      reached('dead letter durable');
      file.sizeBytes += bytes.length;
      return undefined;
    } catch (cause) {
      const error = new AgentError(
        'ERR_DEAD_LETTER_WRITE',
        `Could not write dead letters to ${this.#directory}: ${messageOf(cause)}`,
        { cause, hint: 'Free space, or grant write access to the directory. Shipping then resumes automatically.' },
      );
      this.#log.write('error', { err: error }, 'Dead letters cannot be written; shipping pauses, nothing is lost');
      await this.#cutTornEnd();
      return error;
    }
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

/** Adds the note after the record, so that the line starts like any OTLP/JSON line. */
function withNote(jsonLine: string, note: object): string {
  return `${jsonLine.slice(0, -1)},"deadLetter":${JSON.stringify(note)}}`;
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
