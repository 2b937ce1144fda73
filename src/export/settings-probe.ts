/**
 * Decides whether a rejected record or a setting is at fault. A collector that does not accept the compression, the encoding or the
 * headers of the agent answers 400 to every request, and then no record may become a dead letter.
 *
 * The rule: send an empty request with the same settings. If it is rejected with the same text, the records are not at fault.
 */
import type { Clock } from '../runtime/clock.ts';
import { withoutNumbers } from '../runtime/without-numbers.ts';
import { settingFault } from './collector-faults.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { OtlpOptions } from './options.ts';
import type { OtlpClient } from './otlp-client.ts';

export type Rejected = Extract<ExportOutcome, { status: 'rejected' }>;

/** Of servers and proxies, about the tenant, the encoding or the credentials of a request. */
const settingWords =
  /tenant|org.?id\b|content[- ]?(type|encoding)|media type|(unsupported|unknown|invalid) (compression|encoding|protocol)|credential|api[- ]?key/i;

/** A longer text may repeat a part of the record. */
const settingReasonLengthMax = 200;

/** How long a passed probe covers rejections with the same text: a backend that rejects a thousand old records is probed once. */
const passedForMs = 60_000;

export class SettingsProbe {
  readonly #client: OtlpClient;
  readonly #options: OtlpOptions;
  readonly #clock: Clock;
  #passed: { readonly words: string; readonly atMs: number } | undefined;

  constructor(client: OtlpClient, options: OtlpOptions, clock: Clock) {
    this.#client = client;
    this.#options = options;
    this.#clock = clock;
  }

  /**
   * Sends an empty request. Resolves to `answered`, or to the reason why the collector cannot accept records either. Rejects with the
   * signal's reason.
   */
  async ask(signal: AbortSignal): Promise<'answered' | MisconfiguredOutcome | UnavailableOutcome> {
    const outcome = await this.#sendEmpty(signal);
    if (outcome.status === 'unavailable' || outcome.status === 'misconfigured') return outcome;
    if (outcome.status === 'accepted' || outcome.status === 'partial' || isAboutEmptiness(outcome)) return 'answered';
    return settingFault(outcome, this.#options);
  }

  /**
   * The rejection if the record is at fault, or why that cannot be decided now. Rejects with the signal's reason.
   * @param hasAccepted whether the server has accepted any record. Until then, words about a setting are believed even if an empty request
   * passes: a proxy may look at requests with records only.
   */
  async judge(
    refusal: Rejected,
    { hasAccepted }: { readonly hasAccepted: boolean },
    signal: AbortSignal,
  ): Promise<Rejected | MisconfiguredOutcome | UnavailableOutcome> {
    const words = wordsOf(refusal);
    const nowMs = this.#clock.nowMs();
    if (this.#passed?.words === words && Math.abs(nowMs - this.#passed.atMs) < passedForMs) return refusal;
    const probe = await this.#sendEmpty(signal);
    if (probe.status === 'unavailable' || probe.status === 'misconfigured') return probe;
    if (probe.status === 'rejected' && wordsOf(probe) === words) return settingFault(refusal, this.#options);
    if (!hasAccepted && isAboutSetting(refusal)) return settingFault(refusal, this.#options, 'nothing');
    this.#passed = { words, atMs: nowMs };
    return refusal;
  }

  /** Whether an empty request gets as far as a collector that understands it. */
  async passes(signal: AbortSignal): Promise<boolean> {
    const probe = await this.#sendEmpty(signal);
    return probe.status !== 'unavailable' && probe.status !== 'misconfigured';
  }

  #sendEmpty(signal: AbortSignal): Promise<ExportOutcome> {
    return this.#client.send(emptyRequest(this.#options), signal);
  }
}

/** No backend stores anything for it. */
export function emptyRequest({ protocol }: OtlpOptions): Uint8Array {
  return Buffer.from(protocol === 'http/json' ? '{"resourceLogs":[]}' : '');
}

/** The server understands OTLP and rejects the request only because it has no records: Loki with 422, others in words. */
export function isAboutEmptiness({
  response,
  reason,
}: Extract<ExportOutcome, { status: 'rejected' | 'tooLarge' }>): boolean {
  return response.code === 422 || /empty (request|body|payload|batch)|(no|without) (log )?records?\b/i.test(reason);
}

function isAboutSetting({ reason }: Rejected): boolean {
  return reason.length <= settingReasonLengthMax && settingWords.test(reason);
}

function wordsOf({ reason }: Rejected): string {
  return withoutNumbers(reason);
}
