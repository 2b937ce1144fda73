/**
 * Writes records that the collector rejected to a durable place, so that nothing is lost silently.
 *
 * Each line is one record in OTLP/JSON (`{"resourceLogs":[...],"deadLetter":{...}}`), which the Collector's
 * `otlp_json_file` receiver can read: OTLP requires receivers to ignore unknown members, and the Collector does. The reason
 * is next to the record and not in its attributes, because a replayed record must be identical, byte for byte, to one that the
 * backend may already have stored.
 */
import { type Observer, toFault, unobserved } from '../../contracts/observer.ts';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import type { ResponseCode } from '../../model/response-code.ts';
import { type BackoffPolicy, backoffMs } from '../../runtime/backoff.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { Logger } from '../../runtime/logger.ts';
import { SampledLog } from '../../runtime/sampled-log.ts';
import { Semaphore } from '../../runtime/semaphore.ts';
import { formatVersion } from './dead-letter-files.ts';

export interface DeadLetterReason extends ResponseCode {
  readonly reason: string;
  /** After a partial success: this many of `ofRecords` were rejected, and OTLP does not say which. */
  readonly rejectedRecords?: number;
  readonly ofRecords?: number;
}

/** One attempt to write, to files or to a bucket. */
export interface DeadLetterWriter {
  /** For messages. */
  readonly name: string;
  /** What to do if it fails, unless the error has a hint of its own. */
  readonly hint: string;
  /**
   * Resolves when the records are durable.
   * @param records one each, as returned by `Mapper.toJsonLine`.
   * @param note to add to each record.
   */
  write(records: readonly string[], note: object, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export class DeadLetters {
  readonly #writer: DeadLetterWriter;
  readonly #clock: Clock;
  readonly #log: SampledLog;
  readonly #observe: Observer;
  /** Allows one write at a time. */
  readonly #writing = new Semaphore(1);

  constructor(writer: DeadLetterWriter, clock: Clock, logger: Logger, observe: Observer = unobserved) {
    this.#writer = writer;
    this.#clock = clock;
    this.#log = new SampledLog(clock, logger);
    this.#observe = observe;
  }

  /**
   * Resolves when the records are durable, however long that takes: if the disk is full, or the bucket is not available, it
   * retries. Rejects with the signal's reason if it aborts first.
   * @param jsonLines one record each, as returned by `Mapper.toJsonLine`.
   */
  async write(jsonLines: readonly string[], reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    const note = { version: formatVersion, time: new Date(this.#clock.nowMs()).toISOString(), ...reason };
    const release = await this.#writing.acquire(signal);
    const sinceMs = this.#clock.nowMs();
    let failedAttempts = 0;
    try {
      for (;;) {
        const error = await this.#tryWrite(jsonLines, note, signal);
        if (error === undefined) return;
        const delayMs = backoffMs(retryPolicy, failedAttempts++, this.#clock);
        const retryAtMs = this.#clock.nowMs() + delayMs;
        const fault = toFault(error);
        this.#observe({ kind: 'waiting', for: 'deadLetterFile', fault, sinceMs, failedAttempts, retryAtMs });
        await this.#clock.sleep(delayMs, signal);
      }
    } finally {
      // Also if it was given up, because the claim of its object was lost: nobody waits any more.
      if (failedAttempts > 0) this.#observe({ kind: 'resumed', for: 'deadLetterFile' });
      release();
    }
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #tryWrite(jsonLines: readonly string[], note: object, signal: AbortSignal): Promise<AgentError | undefined> {
    try {
      await this.#writer.write(jsonLines, note, signal);
      return undefined;
    } catch (cause) {
      signal.throwIfAborted();
      const { name, hint } = this.#writer;
      const ownHint = cause instanceof Error && 'hint' in cause && typeof cause.hint === 'string' ? cause.hint : hint;
      const error = new AgentError(
        'ERR_DEAD_LETTER_WRITE',
        `Could not write dead letters to ${name}: ${messageOf(cause)}`,
        {
          cause,
          hint: ownHint,
        },
      );
      this.#log.write('error', { err: error }, 'Dead letters cannot be written; shipping pauses, nothing is lost');
      return error;
    }
  }
}

/** The lines of a file: the note comes after the record, so that the line starts like any OTLP/JSON line. */
export function toJsonLines(records: readonly string[], note: object): string {
  const text = JSON.stringify(note);
  return records.map((record) => `${record.slice(0, -1)},"deadLetter":${text}}\n`).join('');
}
