/**
 * Delivers every record of a batch: to the collector, or durably to the dead letters.
 *
 * A request without a verdict is retried without limit. A rejected one is split in halves until the rejected records are
 * alone. Each batch waits by itself instead of behind a common gate: they are few (DATABRICKS_AUDIT_MAX_IN_FLIGHT) and their
 * waits grow to half a minute, so a dead collector sees few requests, and one request that always fails cannot hold up others.
 */
import assert from 'node:assert/strict';
import type { Batch, BatchEnd, Exporter } from '../contracts/exporter.ts';
import { type Observer, unobserved } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { DeadLetterReason } from './dead-letters/dead-letters.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { FailureReporter } from './failure-reporter.ts';
import type { OtlpClient } from './otlp-client.ts';
import { refusalHint } from './refusal-hints.ts';

export interface OtlpExporterParts {
  readonly client: OtlpClient;
  readonly failures: FailureReporter;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
}

/** The final outcome of a request, or the finding that it does not get through in one piece. */
type Verdict =
  | Exclude<ExportOutcome, UnavailableOutcome | MisconfiguredOutcome>
  | { readonly status: 'failedRepeatedly'; readonly reason: string; readonly mayBeTooLarge: boolean };

const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** A setting is wrong: a person has to fix it first. */
const misconfiguredRetryMs = 60_000;
/**
 * Failed attempts of a request that the server received before it is split. Loki answers 503 for ever to a request over its
 * gRPC limit, a proxy cuts the connection of one that it finds too long, a slow server never answers in time.
 */
const attemptsBeforeSplitting = 5;

/** In the words of servers: gRPC's `received message larger than max`, `request body too large`, `exceeds the limit`. */
const sizeWords = /larger than|too large|exceed|limit/i;

export class OtlpExporter implements Exporter {
  readonly #parts: OtlpExporterParts;
  readonly #failures: FailureReporter;
  readonly #observe: Observer;

  constructor(parts: OtlpExporterParts) {
    this.#parts = parts;
    this.#failures = parts.failures;
    this.#observe = parts.observe ?? unobserved;
  }

  async export(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
    assert(batch.recordCount > 0, 'a batch has records');
    const end = await this.#deliver(batch, signal);
    assert.equal(end.acceptedCount + end.deadLetteredCount, batch.recordCount, 'every record has an outcome');
    return end;
  }

  /** Call it when no batch is in flight any more. */
  async close(): Promise<void> {
    await this.#parts.client.close();
    await this.#failures.deadLetters.close();
  }

  async #deliver(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
    const verdict = await this.#sendUntilVerdict(batch, signal);
    switch (verdict.status) {
      case 'accepted':
        if (verdict.warning !== undefined) {
          this.#failures.log.write(
            'warn',
            { warning: verdict.warning },
            'The collector accepted records with a warning',
          );
        }
        return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
      case 'partial':
        return this.#endPartial(batch, verdict, signal);
      case 'rejected':
      case 'tooLarge':
        if (batch.recordCount > 1) return this.#deliverHalves(batch, signal);
        return this.#endRejected(batch, verdict, signal);
      case 'failedRepeatedly':
        // An overloaded server, too, refuses one request again and again: that says nothing about its size.
        if (verdict.mayBeTooLarge)
          this.#failures.log.write(
            'warn',
            { records: batch.recordCount, bytes: batch.request.length, reason: verdict.reason },
            'A request keeps failing and is split in halves; a lower DATABRICKS_AUDIT_BATCH_BYTES may help',
          );
        return this.#deliverHalves(batch, signal);
    }
  }

  async #sendUntilVerdict(batch: Batch, signal: AbortSignal): Promise<Verdict> {
    const { client, clock } = this.#parts;
    let failures = 0;
    for (let attempt = 0; ; attempt++) {
      const sentAtMs = clock.nowMs();
      reached('request begun');
      const outcome = await client.send(batch.request, signal);
      reached('request answered');
      this.#reportRequest(batch, outcome, clock.nowMs() - sentAtMs);
      if (outcome.status !== 'unavailable' && outcome.status !== 'misconfigured') {
        this.#failures.outages.answered();
        return outcome;
      }
      const { status, error } = outcome;
      if (status === 'unavailable' && outcome.requestSeen) failures++;
      const isSplitNext = failures >= attemptsBeforeSplitting && batch.recordCount > 1;
      const delayMs = isSplitNext ? 0 : waitMs(outcome, attempt, clock);
      this.#failures.outages.failed({ status, error, retryAtMs: clock.nowMs() + delayMs });
      if (isSplitNext) {
        const mayBeTooLarge = outcome.response === undefined || sizeWords.test(error.message);
        return { status: 'failedRepeatedly', reason: error.message, mayBeTooLarge };
      }
      await clock.sleep(delayMs, signal);
    }
  }

  #reportRequest(batch: Batch, outcome: ExportOutcome, durationMs: number): void {
    this.#observe({
      kind: 'requestEnded',
      outcome: outcome.status,
      response: outcome.response,
      durationMs,
      recordCount: batch.recordCount,
      requestBytes: batch.request.length,
    });
  }

  /** The first half ends before the second is sent, so order is kept and an outage splits only what it met. */
  async #deliverHalves(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
    const [firstHalf, secondHalf] = batch.split();
    const first = await this.#deliver(firstHalf, signal);
    reached('half of a batch ended');
    const second = await this.#deliver(secondHalf, signal);
    return {
      acceptedCount: first.acceptedCount + second.acceptedCount,
      deadLetteredCount: first.deadLetteredCount + second.deadLetteredCount,
    };
  }

  async #endRejected(
    batch: Batch,
    verdict: Extract<Verdict, { status: 'rejected' | 'tooLarge' }>,
    signal: AbortSignal,
  ): Promise<BatchEnd> {
    const { response, reason } = verdict;
    const hint = refusalHint(reason);
    await this.#writeDeadLetters(batch, { ...response, reason }, signal);
    this.#observe({ kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', response, reason, recordCount: 1 });
    this.#failures.log.write(
      'error',
      { code: 'ERR_EXPORT_REJECTED', reason, hint, object: batch.objectId },
      'The collector rejected a record; it was written to the dead letters',
      hint,
    );
    return { acceptedCount: 0, deadLetteredCount: 1 };
  }

  /** OTLP does not say which records were rejected, and forbids sending them again: all of them become dead letters. */
  async #endPartial(
    batch: Batch,
    verdict: Extract<Verdict, { status: 'partial' }>,
    signal: AbortSignal,
  ): Promise<BatchEnd> {
    const ofRecords = batch.recordCount;
    const rejectedRecords = Math.min(verdict.rejectedCount, ofRecords);
    const { response, reason } = verdict;
    const hint = refusalHint(reason);
    await this.#writeDeadLetters(batch, { ...response, reason, rejectedRecords, ofRecords }, signal);
    this.#observe({
      kind: 'deadLettered',
      code: 'ERR_EXPORT_PARTIAL',
      response,
      reason,
      recordCount: rejectedRecords,
    });
    this.#failures.log.write(
      'error',
      { code: 'ERR_EXPORT_PARTIAL', reason, hint, rejectedRecords, ofRecords, object: batch.objectId },
      'The collector rejected some records of a request without saying which; all of them were written to the dead letters',
      hint,
    );
    return { acceptedCount: ofRecords - rejectedRecords, deadLetteredCount: rejectedRecords };
  }

  #writeDeadLetters(batch: Batch, reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    return this.#failures.deadLetters.write(batch.toJsonLines(), reason, signal);
  }
}

function waitMs(outcome: UnavailableOutcome | MisconfiguredOutcome, attempt: number, clock: Clock): number {
  if (outcome.status === 'misconfigured') return misconfiguredRetryMs;
  return Math.max(outcome.waitAtLeastMs, backoffMs(retryPolicy, attempt, clock));
}
