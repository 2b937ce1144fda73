/**
 * Delivers every record of a batch to the collector, or durably to a dead-letter file.
 *
 * A request without a verdict is retried without limit. A rejected request is split in half until the rejected records are
 * isolated. Batches back off independently of each other: there are few (DATABRICKS_AUDIT_MAX_IN_FLIGHT) and delays grow to
 * half a minute, so an unavailable collector gets few requests, and a request that always fails does not hold up the others.
 */
import assert from 'node:assert/strict';
import type { Batch, BatchEnd, Exporter, ExportOptions } from '../contracts/exporter.ts';
import { type Observer, unobserved } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import type { ResponseCode } from '../model/response-code.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { DeadLetterReason } from './dead-letters/dead-letters.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { FailureReporter } from './failure-reporter.ts';
import type { OtlpClient } from './otlp-client.ts';
import { refusalHint } from './refusal-hints.ts';
import type { SettingsProbe } from './settings-probe.ts';

export interface OtlpExporterParts {
  readonly client: OtlpClient;
  readonly settings: Pick<SettingsProbe, 'judge' | 'ask'>;
  readonly failures: FailureReporter;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
}

interface Sending extends ExportOptions {
  readonly signal: AbortSignal;
}

/** The final outcome of a request, or the conclusion that it has to be split. */
type Verdict =
  | Exclude<ExportOutcome, UnavailableOutcome | MisconfiguredOutcome>
  /** Denied although other requests succeed. @property deniedAt the number of the last request sent before. */
  | {
      readonly status: 'rejected';
      readonly response: ResponseCode;
      readonly reason: string;
      readonly deniedAt?: number;
    }
  | { readonly status: 'failedRepeatedly'; readonly reason: string; readonly mayBeTooLarge: boolean };

const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** A setting is wrong: a person has to fix it first. */
const misconfiguredRetryMs = 60_000;
/**
 * A request that the server received is split after this many failed attempts. Loki always answers 503 to a request over its
 * gRPC limit, a proxy closes the connection of a request that is too long, and a slow server may never answer in time.
 */
const attemptsBeforeSplitting = 5;
/**
 * How often a lone record is denied, while requests sent since the previous denial succeed, before its content is
 * to blame: one replica in three with a wrong token must not cause dead letters.
 */
const deniedAttemptsMax = 3;

/** The server rejects the credentials, or a firewall rejects the content of a record: PERMISSION_DENIED and UNAUTHENTICATED in gRPC. */
const deniedCodes = { http: [401, 403], grpc: [7, 16] } as const satisfies Record<ResponseCode['protocol'], unknown>;

/** In the words of servers: gRPC's `received message larger than max`, `request body too large`, `exceeds the limit`. */
const sizeWords = /larger than|too large|exceed|limit/i;

export class OtlpExporter implements Exporter {
  readonly #parts: OtlpExporterParts;
  readonly #failures: FailureReporter;
  readonly #observe: Observer;
  /** Counts requests with records, in the order in which they were sent. */
  #sentCount = 0;
  /** The last of them that was accepted. */
  #lastAccepted = 0;

  constructor(parts: OtlpExporterParts) {
    this.#parts = parts;
    this.#failures = parts.failures;
    this.#observe = parts.observe ?? unobserved;
  }

  async export(batch: Batch, signal: AbortSignal, { beforeAttempt }: ExportOptions = {}): Promise<BatchEnd> {
    assert(batch.recordCount > 0, 'a batch has records');
    const end = await this.#deliver(batch, { signal, beforeAttempt });
    assert.equal(end.acceptedCount + end.deadLetteredCount, batch.recordCount, 'every record has an outcome');
    return end;
  }

  /**
   * Asks the collector with empty requests until it answers, as patiently as records are sent during an outage. Rejects only with the
   * signal's reason.
   * @param fromMs when to ask first.
   */
  async untilAnswered(fromMs: number, signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#parts;
    const longestBackoffMs = () => backoffMs({ ...retryPolicy, initialMs: retryPolicy.maxMs }, 0, clock);
    let delayMs = Math.max(fromMs - clock.nowMs(), longestBackoffMs());
    for (;;) {
      await clock.sleep(delayMs, signal);
      const answer = await settings.ask(signal);
      if (answer === 'answered') return;
      delayMs =
        answer.status === 'misconfigured' ? misconfiguredRetryMs : Math.max(answer.waitAtLeastMs, longestBackoffMs());
      this.#failures.outages.failed({ ...answer, retryAtMs: clock.nowMs() + delayMs });
    }
  }

  /** Call it when no batch is in flight. */
  async close(): Promise<void> {
    await this.#parts.client.close();
    await this.#failures.deadLetters.close();
  }

  /** @param deniedAt when the batch was denied that this is half of: a request accepted since then rules out the credentials. */
  async #deliver(batch: Batch, sending: Sending, deniedAt?: number): Promise<BatchEnd> {
    const verdict = await this.#sendUntilVerdict(batch, sending, deniedAt);
    switch (verdict.status) {
      case 'accepted':
        if (verdict.warning !== undefined) {
          this.#failures.log.write('warn', { warning: verdict.warning }, 'Collector accepted records with a warning');
        }
        return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
      case 'partial':
        return this.#endPartial(batch, verdict, sending.signal);
      case 'rejected':
      case 'tooLarge':
        if (batch.recordCount > 1)
          return this.#deliverHalves(batch, sending, 'deniedAt' in verdict ? verdict.deniedAt : undefined);
        return this.#endRejected(batch, verdict, sending.signal);
      case 'failedRepeatedly':
        // An overloaded server also fails one request again and again, which says nothing about its size.
        if (verdict.mayBeTooLarge)
          this.#failures.log.write(
            'warn',
            { records: batch.recordCount, bytes: batch.request.length, reason: verdict.reason },
            'Request keeps failing and is split in half; a lower DATABRICKS_AUDIT_BATCH_BYTES may help',
          );
        return this.#deliverHalves(batch, sending);
    }
  }

  async #sendUntilVerdict(batch: Batch, { signal, beforeAttempt }: Sending, halfDeniedAt?: number): Promise<Verdict> {
    const { client, clock } = this.#parts;
    let failures = 0;
    let deniedAt = halfDeniedAt;
    let deniedAttempts = 0;
    for (let attempt = 0; ; attempt++) {
      await beforeAttempt?.();
      const sentAtMs = clock.nowMs();
      const number = ++this.#sentCount;
      reached('request begun');
      const answer = await client.send(batch.request, signal);
      reached('request answered');
      this.#reportRequest(batch, answer, clock.nowMs() - sentAtMs);
      if (answer.status === 'accepted') this.#lastAccepted = Math.max(this.#lastAccepted, number);
      const isAlone = batch.recordCount === 1;
      const outcome =
        isAlone && answer.status === 'rejected' ? await this.#parts.settings.judge(answer, signal) : answer;
      if (outcome.status !== 'unavailable' && outcome.status !== 'misconfigured') {
        this.#failures.outages.answered();
        return outcome;
      }
      const { status, error } = outcome;
      if (status === 'unavailable' && outcome.requestSeen) failures++;
      if (isDenied(outcome)) {
        if (deniedAt !== undefined && this.#lastAccepted > deniedAt) deniedAttempts++;
        deniedAt = this.#sentCount;
        if (deniedAttempts >= (isAlone ? deniedAttemptsMax : 1)) {
          return { status: 'rejected', response: outcome.response, reason: error.message, deniedAt };
        }
      }
      const isSplitNext = failures >= attemptsBeforeSplitting && batch.recordCount > 1;
      const isSuspect = isDenied(outcome) && halfDeniedAt !== undefined;
      const delayMs = isSplitNext
        ? 0
        : isSuspect
          ? backoffMs(retryPolicy, attempt, clock)
          : waitMs(outcome, attempt, clock);
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

  /** Completes the first half before sending the second, which preserves the order and limits splitting during an outage. */
  async #deliverHalves(batch: Batch, sending: Sending, deniedAt?: number): Promise<BatchEnd> {
    const [firstHalf, secondHalf] = batch.split();
    const first = await this.#deliver(firstHalf, sending, deniedAt);
    reached('half of a batch ended');
    const second = await this.#deliver(secondHalf, sending, deniedAt);
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
      'Collector rejected a record; it was written to a dead-letter file',
      hint,
    );
    return { acceptedCount: 0, deadLetteredCount: 1 };
  }

  /** OTLP does not say which records were rejected and forbids resending the request, so all records become dead letters. */
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
      'Collector rejected some records of a request without saying which; all were written to a dead-letter file',
      hint,
    );
    return { acceptedCount: ofRecords - rejectedRecords, deadLetteredCount: rejectedRecords };
  }

  #writeDeadLetters(batch: Batch, reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    return this.#failures.deadLetters.write(batch.toJsonLines(), reason, signal);
  }
}

function isDenied(outcome: ExportOutcome): outcome is MisconfiguredOutcome & { readonly response: ResponseCode } {
  if (outcome.status !== 'misconfigured' || outcome.response === undefined) return false;
  const { protocol, code } = outcome.response;
  return deniedCodes[protocol].some((denied) => denied === code);
}

function waitMs(outcome: UnavailableOutcome | MisconfiguredOutcome, attempt: number, clock: Clock): number {
  if (outcome.status === 'misconfigured') return misconfiguredRetryMs;
  return Math.max(outcome.waitAtLeastMs, backoffMs(retryPolicy, attempt, clock));
}
