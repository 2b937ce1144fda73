/**
 * Brings every line of a batch to its end: accepted by the collector, or durably in a dead-letter file.
 *
 * What has no verdict is sent again without end. What was refused is cut in half until the refused records stand alone. Each
 * batch waits by itself instead of behind a common gate: they are few (DATABRICKS_AUDIT_MAX_IN_FLIGHT) and their waits grow
 * to half a minute, so a dead collector sees few requests, and one request that always fails cannot hold up the others.
 */
import assert from 'node:assert/strict';
import type { Batch, BatchEnd, Exporter } from '../contracts/exporter.ts';
import { type Observer, unobserved } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { DeadLetterReason } from './dead-letters/dead-letters.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { FaultDesk } from './failure-reporter.ts';
import type { OtlpClient } from './otlp-client.ts';
import { refusalHint } from './refusal-hints.ts';

export interface OtlpExporterParts {
  readonly client: OtlpClient;
  readonly desk: FaultDesk;
  /** The request body that carries the records of these lines. */
  readonly encode: (lines: readonly IdentifiedLine[]) => Uint8Array;
  /** One record as a line of OTLP/JSON, already redacted. */
  readonly toJsonLine: (line: IdentifiedLine) => string;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
}

/** What settles a request, or the finding that it does not get through as it is. */
type Verdict =
  | Exclude<ExportOutcome, UnavailableOutcome | MisconfiguredOutcome>
  | { readonly status: 'refusedAgainAndAgain'; readonly reason: string };

const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 30_000 };
/** After a setting was found wrong: a person has to come first. */
const misconfiguredRetryMs = 60_000;
/**
 * So often may a server that has the request refuse it for reasons of its own before it is halved. Loki answers 503 for ever to
 * what is over its gRPC limit, a proxy cuts the connection of what it finds too long, a slow one never ends in time.
 */
const attemptsBeforeHalving = 5;

export class OtlpExporter implements Exporter {
  readonly #parts: OtlpExporterParts;
  readonly #desk: FaultDesk;
  readonly #observe: Observer;

  constructor(parts: OtlpExporterParts) {
    this.#parts = parts;
    this.#desk = parts.desk;
    this.#observe = parts.observe ?? unobserved;
  }

  async export(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
    assert(batch.lineCount > 0, 'a batch has lines');
    const end = await this.#deliver(batch, signal);
    assert.equal(end.acceptedCount + end.deadLetteredCount, batch.lineCount, 'every line comes to its end');
    return end;
  }

  /** Call it when no batch is under way any more. */
  async close(): Promise<void> {
    await this.#parts.client.close();
    await this.#desk.deadLetters.close();
  }

  async #deliver(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
    const verdict = await this.#sendUntilVerdict(batch, signal);
    switch (verdict.status) {
      case 'accepted':
        if (verdict.warning !== undefined) {
          this.#desk.log.write('warn', { warning: verdict.warning }, 'The collector accepted records with a warning');
        }
        return { acceptedCount: batch.lineCount, deadLetteredCount: 0 };
      case 'partial':
        return this.#endPartial(batch, verdict, signal);
      case 'rejected':
      case 'tooLarge':
        if (batch.lineCount > 1) return this.#deliverHalves(batch.lines, signal);
        return this.#endRefused(batch, verdict, signal);
      case 'refusedAgainAndAgain':
        this.#desk.log.write(
          'warn',
          { records: batch.lineCount, bytes: batch.request.length, reason: verdict.reason },
          'A request does not get through and is sent in halves; a lower DATABRICKS_AUDIT_BATCH_BYTES may help',
        );
        return this.#deliverHalves(batch.lines, signal);
    }
  }

  async #sendUntilVerdict(batch: Batch, signal: AbortSignal): Promise<Verdict> {
    const { client, clock } = this.#parts;
    let refusals = 0;
    for (let attempt = 0; ; attempt++) {
      const sentAtMs = clock.nowMs();
      reached('request begun');
      const outcome = await client.send(batch.request, signal);
      reached('request answered');
      this.#tellRequest(batch, outcome, clock.nowMs() - sentAtMs);
      if (outcome.status !== 'unavailable' && outcome.status !== 'misconfigured') {
        this.#desk.outages.answered();
        return outcome;
      }
      const { status, error } = outcome;
      if (status === 'unavailable' && outcome.requestSeen) refusals++;
      const goesInHalves = refusals >= attemptsBeforeHalving && batch.lineCount > 1;
      const delayMs = goesInHalves ? 0 : waitMs(outcome, attempt, clock);
      this.#desk.outages.failed({ status, error, retryAtMs: clock.nowMs() + delayMs });
      if (goesInHalves) return { status: 'refusedAgainAndAgain', reason: error.message };
      await clock.sleep(delayMs, signal);
    }
  }

  #tellRequest(batch: Batch, outcome: ExportOutcome, durationMs: number): void {
    this.#observe({
      kind: 'requestEnded',
      outcome: outcome.status,
      httpStatus: outcome.httpStatus,
      durationMs,
      recordCount: batch.lineCount,
      requestBytes: batch.request.length,
    });
  }

  /** The first half comes to its end before the second is sent, so order is kept and an outage halves only what it met. */
  async #deliverHalves(lines: readonly IdentifiedLine[], signal: AbortSignal): Promise<BatchEnd> {
    const middle = Math.ceil(lines.length / 2);
    const first = await this.#deliverPart(lines.slice(0, middle), signal);
    reached('half of a batch ended');
    const second = await this.#deliverPart(lines.slice(middle), signal);
    return {
      acceptedCount: first.acceptedCount + second.acceptedCount,
      deadLetteredCount: first.deadLetteredCount + second.deadLetteredCount,
    };
  }

  #deliverPart(lines: readonly IdentifiedLine[], signal: AbortSignal): Promise<BatchEnd> {
    return this.#deliver({ lineCount: lines.length, lines, request: this.#parts.encode(lines) }, signal);
  }

  async #endRefused(
    batch: Batch,
    verdict: Extract<Verdict, { status: 'rejected' | 'tooLarge' }>,
    signal: AbortSignal,
  ): Promise<BatchEnd> {
    const { httpStatus, reason } = verdict;
    const hint = refusalHint(reason);
    await this.#writeDeadLetters(batch, { httpStatus, reason }, signal);
    this.#observe({ kind: 'deadLettered', code: 'ERR_EXPORT_REJECTED', httpStatus, reason, recordCount: 1 });
    this.#desk.log.write(
      'error',
      { code: 'ERR_EXPORT_REJECTED', reason, hint, object: batch.lines[0]?.origin.id },
      'The collector refused a record for good; it is in the dead letters',
      hint,
    );
    return { acceptedCount: 0, deadLetteredCount: 1 };
  }

  /** OTLP does not say which records were refused, and they must not be sent again: all of them become dead letters. */
  async #endPartial(
    batch: Batch,
    verdict: Extract<Verdict, { status: 'partial' }>,
    signal: AbortSignal,
  ): Promise<BatchEnd> {
    const ofRecords = batch.lineCount;
    const rejectedRecords = Math.min(verdict.rejectedCount, ofRecords);
    const { httpStatus, reason } = verdict;
    const hint = refusalHint(reason);
    await this.#writeDeadLetters(batch, { httpStatus, reason, rejectedRecords, ofRecords }, signal);
    this.#observe({
      kind: 'deadLettered',
      code: 'ERR_EXPORT_PARTIAL',
      httpStatus,
      reason,
      recordCount: rejectedRecords,
    });
    this.#desk.log.write(
      'error',
      { code: 'ERR_EXPORT_PARTIAL', reason, hint, rejectedRecords, ofRecords, object: batch.lines[0]?.origin.id },
      'The collector refused some records of a request without saying which; all of them are in the dead letters',
      hint,
    );
    return { acceptedCount: ofRecords - rejectedRecords, deadLetteredCount: rejectedRecords };
  }

  #writeDeadLetters(batch: Batch, reason: DeadLetterReason, signal: AbortSignal): Promise<void> {
    return this.#desk.deadLetters.write(batch.lines.map(this.#parts.toJsonLine), reason, signal);
  }
}

function waitMs(outcome: UnavailableOutcome | MisconfiguredOutcome, attempt: number, clock: Clock): number {
  if (outcome.status === 'misconfigured') return misconfiguredRetryMs;
  return Math.max(outcome.waitAtLeastMs, backoffMs(retryPolicy, attempt, clock));
}
