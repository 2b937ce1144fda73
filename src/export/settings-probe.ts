/**
 * Whether a refused record or a setting is at fault. A collector that does not take the compression, the encoding or the headers of the
 * agent answers 400 to every request, and then no record may become a dead letter.
 *
 * The rule: an empty request with the same settings is sent. When it is refused in the same words, the records are not at fault.
 */
import type { Clock } from '../runtime/clock.ts';
import { settingFault } from './collector-faults.ts';
import type { ExportOutcome, MisconfiguredOutcome, UnavailableOutcome } from './export-outcome.ts';
import type { OtlpOptions } from './options.ts';
import type { OtlpClient } from './otlp-client.ts';

export type Rejected = Extract<ExportOutcome, { status: 'rejected' }>;

/** For how long a passed probe speaks for refusals in the same words: a backend that refuses a thousand old records is asked once. */
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

  /** The refusal when it is of the record, or why that cannot be said now. Rejects with the signal's reason. */
  async judge(refusal: Rejected, signal: AbortSignal): Promise<Rejected | MisconfiguredOutcome | UnavailableOutcome> {
    const words = wordsOf(refusal);
    const nowMs = this.#clock.nowMs();
    if (this.#passed?.words === words && Math.abs(nowMs - this.#passed.atMs) < passedForMs) return refusal;
    const probe = await this.#client.send(emptyRequest(this.#options), signal);
    if (probe.status === 'unavailable' || probe.status === 'misconfigured') return probe;
    if (probe.status === 'rejected' && wordsOf(probe) === words) return settingFault(refusal, this.#options);
    this.#passed = { words, atMs: nowMs };
    return refusal;
  }
}

/** Stores nothing anywhere. */
export function emptyRequest({ protocol }: OtlpOptions): Uint8Array {
  return Buffer.from(protocol === 'http/json' ? '{"resourceLogs":[]}' : '');
}

/** Without numbers, which count and date what is the same otherwise. */
function wordsOf({ reason }: Rejected): string {
  return reason.replaceAll(/\d+/g, '0');
}
