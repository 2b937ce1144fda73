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
import { mayBeContentFault } from './collector-faults.ts';
import type { DeadLetterReason } from './dead-letters/dead-letters.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { FailureReporter } from './failure-reporter.ts';
import type { OtlpClient } from './otlp-client.ts';
import { refusalHint } from './refusal-hints.ts';
import type { SettingsProbe } from './settings-probe.ts';

export interface OtlpExporterParts {
  readonly client: OtlpClient;
  readonly settings: Pick<SettingsProbe, 'judge' | 'ask' | 'passes'>;
  readonly failures: FailureReporter;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
}

interface Sending extends ExportOptions {
  readonly signal: AbortSignal;
}

/** A request was denied while another one got through, so its content may be at fault. */
interface Denied {
  readonly status: 'denied';
  readonly outcome: DeniedOutcome;
  /** The number of the last request sent until then. */
  readonly at: number;
  /** True if the other one had records, and was sent after an earlier denial of these. */
  readonly recordsPassed: boolean;
}

type DeniedOutcome = MisconfiguredOutcome & { readonly response: ResponseCode };

/** A part of a batch that was denied. */
interface Suspect {
  readonly batch: Batch;
  /** When it was denied last, alone or with others. */
  readonly deniedAt: number | undefined;
  /** How often, as a lone record. */
  readonly denials: number;
  readonly recordsPassed: boolean;
}

/** The final outcome of a request, or the conclusion that it has to be split. */
type Verdict =
  | Exclude<ExportOutcome, UnavailableOutcome | MisconfiguredOutcome>
  | Denied
  | { readonly status: 'failedRepeatedly'; readonly reason: string; readonly mayBeTooLarge: boolean };

const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** A setting is wrong: a person has to fix it first. */
const misconfiguredRetryMs = 60_000;
/** Of empty requests, a minute apart, before records are tried. */
const emptyRefusalsMax = 10;
/**
 * A request that the server received is split after this many failed attempts. Loki always answers 503 to a request over its
 * gRPC limit, a proxy closes the connection of a request that is too long, and a slow server may never answer in time.
 */
const attemptsBeforeSplitting = 5;
/**
 * How often a lone record is denied, while something else gets through each time, before its content is to blame: one replica in
 * three with a wrong token must not cause dead letters.
 */
const deniedAttemptsMax = 3;
/** While parts of a denied batch are tried; enough of them to single out one record in a hundred thousand. */
const suspectRetryMs = 1_000;
const suspectAttemptsMax = 20;

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
  /** The last request sent when a record was blamed although no other record had passed. */
  #lastBlamedAlone = -1;
  /** How many records a request may have after larger ones were given up without an answer. Grows again with each batch that gets through. */
  #recordsMax = Number.POSITIVE_INFINITY;

  constructor(parts: OtlpExporterParts) {
    this.#parts = parts;
    this.#failures = parts.failures;
    this.#observe = parts.observe ?? unobserved;
  }

  async export(batch: Batch, signal: AbortSignal, { beforeAttempt }: ExportOptions = {}): Promise<BatchEnd> {
    assert(batch.recordCount > 0, 'a batch has records');
    const end = await this.#deliver(batch, { signal, beforeAttempt });
    assert.equal(end.acceptedCount + end.deadLetteredCount, batch.recordCount, 'every record has an outcome');
    this.#recordsMax *= 2;
    return end;
  }

  /**
   * Asks the collector with empty requests until it answers, as patiently as records are sent during an outage, or has refused so many
   * that records have to tell: a server may refuse them because they are empty. Rejects only with the signal's reason.
   * @param fromMs when to ask first.
   */
  async untilAnswered(fromMs: number, signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#parts;
    const longestBackoffMs = () => backoffMs({ ...retryPolicy, initialMs: retryPolicy.maxMs }, 0, clock);
    let delayMs = Math.max(fromMs - clock.nowMs(), longestBackoffMs());
    let refusals = 0;
    for (;;) {
      await clock.sleep(delayMs, signal);
      const answer = await settings.ask(signal);
      if (answer === 'answered') return;
      if (answer.status === 'misconfigured' && ++refusals > emptyRefusalsMax) return;
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

  async #deliver(batch: Batch, sending: Sending): Promise<BatchEnd> {
    if (batch.recordCount > this.#recordsMax) return await this.#deliverHalves(batch, sending);
    return await this.#conclude(batch, await this.#sendUntilVerdict(batch, sending), sending);
  }

  async #conclude(batch: Batch, verdict: Verdict, sending: Sending): Promise<BatchEnd> {
    switch (verdict.status) {
      case 'accepted':
        if (verdict.warning !== undefined) {
          this.#failures.log.write('warn', { warning: verdict.warning }, 'Collector accepted records with a warning');
        }
        return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
      case 'partial':
        return this.#endPartial(batch, verdict, sending.signal);
      case 'denied':
        return this.#deliverDenied(batch, verdict, sending);
      case 'rejected':
      case 'tooLarge':
        if (batch.recordCount > 1) return this.#deliverHalves(batch, sending);
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

  /** @param partDeniedAt when the batch was denied that this is a part of. */
  async #sendUntilVerdict(batch: Batch, { signal, beforeAttempt }: Sending, partDeniedAt?: number): Promise<Verdict> {
    const { client, clock, settings } = this.#parts;
    let failures = 0;
    let deniedAt = partDeniedAt;
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
        isAlone && answer.status === 'rejected'
          ? await settings.judge(answer, { hasAccepted: this.#lastAccepted > 0 }, signal)
          : answer;
      if (outcome.status !== 'unavailable' && outcome.status !== 'misconfigured') {
        // A rejection of several records may be due to a setting, which only the judgement of a lone record tells.
        if (isAlone || (outcome.status !== 'rejected' && outcome.status !== 'tooLarge'))
          this.#failures.outages.answered();
        return outcome;
      }
      const { status, error } = outcome;
      if (status === 'unavailable' && outcome.requestSeen) failures++;
      // A 400 that an empty request gets as well was judged already.
      if (outcome === answer && isDenied(outcome)) {
        const recordsPassed = deniedAt !== undefined && this.#lastAccepted > deniedAt;
        deniedAt = this.#sentCount;
        if (recordsPassed || (await settings.passes(signal)))
          return { status: 'denied', outcome, at: deniedAt, recordsPassed };
      }
      const isSplitNext = failures >= attemptsBeforeSplitting && batch.recordCount > 1;
      const delayMs = isSplitNext ? 0 : waitMs(outcome, attempt, clock);
      this.#failures.outages.failed({ status, error, retryAtMs: clock.nowMs() + delayMs });
      if (isSplitNext) {
        const mayBeTooLarge = outcome.response === undefined || sizeWords.test(error.message);
        return { status: 'failedRepeatedly', reason: error.message, mayBeTooLarge };
      }
      await clock.sleep(delayMs, signal).catch((error: unknown) => {
        if (failures > 0) this.#gaveUp(batch);
        throw error;
      });
    }
  }

  /**
   * A replica that stands aside gives a batch up before it has failed often enough to be split. The next attempt starts with halves, or
   * one that is too much for the server would never get through.
   */
  #gaveUp({ recordCount }: Batch): void {
    this.#recordsMax = Math.min(this.#recordsMax, Math.max(1, Math.floor(recordCount / 2)));
  }

  /**
   * Finds the records that are denied for their content. An empty request that passes is not enough to blame them: a Collector accepts it
   * without asking the backend, whose credentials may have expired. So the other records of the batch are tried as well, before a
   * denied one is tried again: if one of them passes, the credentials are not at fault.
   */
  async #deliverDenied(batch: Batch, denied: Denied, sending: Sending): Promise<BatchEnd> {
    const { clock } = this.#parts;
    const end = { acceptedCount: 0, deadLetteredCount: 0 };
    const suspects: Suspect[] = [];
    let suspect: Suspect | undefined = { batch, deniedAt: undefined, denials: 0, recordsPassed: false };
    let verdict: Verdict = denied;
    let deniedInARow = 0;
    while (suspect !== undefined) {
      if (verdict.status === 'denied') {
        deniedInARow++;
        const again: Suspect = withDenial(suspect, verdict);
        if (this.#isToBlame(again, verdict.outcome)) {
          if (!again.recordsPassed) this.#lastBlamedAlone = this.#sentCount;
          this.#failures.outages.answered();
          const { response, error } = verdict.outcome;
          const rejected = { status: 'rejected', response, reason: error.message } as const;
          addTo(end, await this.#endRejected(again.batch, rejected, sending.signal));
          deniedInARow = 0;
        } else {
          if (again.batch.recordCount > 1) suspects.unshift(...halvesOf(again));
          else if (again.recordsPassed) suspects.unshift(again);
          else suspects.push(again);
          // A batch of one record has no others to try, and a minute later it is sent over another connection.
          const isHopeful = batch.recordCount > 1 && (suspects.length > 1 || again.recordsPassed);
          const delayMs = isHopeful && deniedInARow < suspectAttemptsMax ? suspectRetryMs : misconfiguredRetryMs;
          const { status } = verdict.outcome;
          const error = mayBeContentFault(verdict.outcome);
          this.#failures.outages.failed({ status, error, retryAtMs: clock.nowMs() + delayMs });
          await clock.sleep(delayMs, sending.signal);
        }
      } else {
        addTo(end, await this.#conclude(suspect.batch, verdict, sending));
        deniedInARow = 0;
      }
      suspect = suspects.shift();
      if (suspect !== undefined) verdict = await this.#sendUntilVerdict(suspect.batch, sending, suspect.deniedAt);
    }
    return end;
  }

  /**
   * If no other record has passed, only the page of a firewall or proxy in front of the collector blames a record, and only once until
   * another record passes: if that was wrong, it is one dead letter and not all.
   */
  #isToBlame({ batch, denials, recordsPassed }: Suspect, { isPage }: DeniedOutcome): boolean {
    if (batch.recordCount > 1 || denials < deniedAttemptsMax) return false;
    return recordsPassed || (isPage === true && this.#lastAccepted > this.#lastBlamedAlone);
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
  async #deliverHalves(batch: Batch, sending: Sending): Promise<BatchEnd> {
    const [firstHalf, secondHalf] = batch.split();
    const first = await this.#deliver(firstHalf, sending);
    reached('half of a batch ended');
    const second = await this.#deliver(secondHalf, sending);
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

/** Whatever the status: a firewall or proxy that dislikes content answers 403 or 401, and others 406, 415, 404 or a web page. */
function isDenied(outcome: ExportOutcome): outcome is DeniedOutcome {
  return outcome.status === 'misconfigured' && outcome.response !== undefined;
}

function withDenial({ batch, denials, recordsPassed }: Suspect, denied: Denied): Suspect {
  return {
    batch,
    deniedAt: denied.at,
    denials: batch.recordCount === 1 ? denials + 1 : 0,
    recordsPassed: recordsPassed || denied.recordsPassed,
  };
}

function halvesOf({ batch, deniedAt }: Suspect): Suspect[] {
  return batch.split().map((half) => ({ batch: half, deniedAt, denials: 0, recordsPassed: false }));
}

function addTo(sums: { -readonly [Name in keyof BatchEnd]: BatchEnd[Name] }, end: BatchEnd): void {
  sums.acceptedCount += end.acceptedCount;
  sums.deadLetteredCount += end.deadLetteredCount;
}

function waitMs(outcome: UnavailableOutcome | MisconfiguredOutcome, attempt: number, clock: Clock): number {
  if (outcome.status === 'misconfigured') return misconfiguredRetryMs;
  return Math.max(outcome.waitAtLeastMs, backoffMs(retryPolicy, attempt, clock));
}
