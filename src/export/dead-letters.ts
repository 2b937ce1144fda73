/**
 * The records that the collector refused for good, on disk, so that nothing vanishes in silence.
 *
 * A line of a file is the record alone in OTLP/JSON (`{"resourceLogs":[...],"deadLetter":{...}}`), as the Collector's
 * `otlp_json_file` receiver reads it: OTLP has receivers ignore unknown members, and the Collector does. The reason stands
 * beside the record and not in its attributes, because a replayed record has to be the same, byte for byte, as the one that
 * a backend may have stored already.
 */
import { constants, type FileHandle, open, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import { type Clock, utcDate } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { makeDirectory } from '../runtime/make-directory.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { reached } from '../runtime/step.ts';
import { SampledLog } from './sampled-log.ts';

export interface DeadLetterReason {
  readonly httpStatus: number;
  readonly reason: string;
  /** Partial success: this many of `ofRecords` were refused, and OTLP does not say which. */
  readonly rejectedRecords?: number;
  readonly ofRecords?: number;
}

export interface DeadLettersOptions {
  readonly directory: string;
  /** A file is closed once it is this long; it may end up longer by one batch. */
  readonly fileBytesMax?: number;
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly date: string;
  sizeBytes: number;
}

const fileBytesMaxDefault = 64 * 1024 * 1024;
const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export class DeadLetters {
  readonly #directory: string;
  readonly #fileBytesMax: number;
  readonly #clock: Clock;
  readonly #log: SampledLog;
  readonly #turn = new Semaphore(1);
  #file: OpenFile | undefined;

  constructor(options: DeadLettersOptions, clock: Clock, logger: Logger) {
    this.#directory = options.directory;
    this.#fileBytesMax = options.fileBytesMax ?? fileBytesMaxDefault;
    this.#clock = clock;
    this.#log = new SampledLog(clock, logger);
  }

  /**
   * Resolves when the records are on the disk, however long that takes: a full disk is waited out.
   * Rejects with the signal's reason when it is aborted first.
   * @param jsonLines one record each, as `Mapper.toJsonLine` gives it
   */
  async write(jsonLines: readonly string[], reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    const note = { time: new Date(this.#clock.nowMs()).toISOString(), ...reason };
    const bytes = Buffer.from(jsonLines.map((line) => `${withNote(line, note)}\n`).join(''));
    const leave = await this.#turn.acquire(signal);
    try {
      for (let attempt = 0; !(await this.#tryAppend(bytes)); attempt++) {
        await this.#clock.sleep(backoffMs(retryPolicy, attempt, this.#clock), signal);
      }
    } finally {
      leave();
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close();
  }

  async #tryAppend(bytes: Uint8Array): Promise<boolean> {
    try {
      const file = await this.#fileFor(bytes.length);
      reached('dead letter begun');
      await file.handle.appendFile(bytes);
      reached('dead letter written');
      await file.handle.sync();
      reached('dead letter durable');
      file.sizeBytes += bytes.length;
      return true;
    } catch (cause) {
      const error = new AgentError(
        'ERR_DEAD_LETTER_WRITE',
        `Could not write dead letters to ${this.#directory}: ${messageOf(cause)}`,
        { cause, hint: 'Give the directory space and write access; shipping goes on by itself then.' },
      );
      this.#log.write('error', { err: error }, 'Dead letters cannot be written; shipping waits and nothing is lost');
      await this.#cutTornEnd();
      return false;
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
    this.#file = { handle: await createNextFile(this.#directory, date), date, sizeBytes: 0 };
    return this.#file;
  }

  /** What a failed write left behind must not stand before the next line. When it cannot be cut off, a new file is begun. */
  async #cutTornEnd(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return;
    try {
      await file.handle.truncate(file.sizeBytes);
    } catch {
      this.#file = undefined;
      await file.handle.close().catch(() => undefined);
    }
  }
}

/** Puts the note behind the record, so that a line begins as every other OTLP/JSON line does. */
function withNote(jsonLine: string, note: object): string {
  return `${jsonLine.slice(0, -1)},"deadLetter":${JSON.stringify(note)}}`;
}

/** Always a new file: an old one may end in the middle of a line, where a crash stopped the write. */
async function createNextFile(directory: string, date: string): Promise<FileHandle> {
  makeDirectory(directory, 0o700);
  const flags = constants.O_APPEND | constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
  for (let number = 1; ; number++) {
    const path = join(directory, `dead-letters-${date}-${number}.jsonl`);
    const handle = await open(path, flags, 0o600).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (handle === undefined) continue;
    try {
      await syncDirectory(directory);
      // The parent matters when the directory itself is new; whoever made it may have kept it to themselves.
      await syncDirectory(dirname(directory)).catch(() => undefined);
      return handle;
    } catch (error) {
      await handle.close();
      await unlink(path);
      throw error;
    }
  }
}

/** A new name survives a power cut only when its directory was synchronised. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
