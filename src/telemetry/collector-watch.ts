/**
 * Whether the collector would take records, when there was none to send for a while.
 */
import { messageOf } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Activity } from './activity.ts';
import type { CollectorAnswer } from './health.ts';

/** So old may the last word of the collector be. */
const freshMs = 60_000;
/** Probes of Kubernetes come every few seconds, from several sides. */
const askedAgainAfterMs = 15_000;
/** Shorter than the timeout of a patient probe, so that it gets to hear the reason. */
const answerTimeoutMs = 3_000;

export class CollectorWatch {
  readonly #ask: ((signal: AbortSignal) => Promise<CollectorAnswer>) | undefined;
  readonly #clock: Clock;
  #asked: { readonly atMs: number; readonly answer: Promise<CollectorAnswer> } | undefined;

  constructor(ask: ((signal: AbortSignal) => Promise<CollectorAnswer>) | undefined, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Undefined when requests tell already, or when there is no collector to ask. */
  async answer(activity: Activity): Promise<CollectorAnswer | undefined> {
    const nowMs = this.#clock.nowMs();
    const { collectorAnsweredAtMs = Number.NEGATIVE_INFINITY } = activity;
    if (this.#ask === undefined || activity.waits.has('collector')) return undefined;
    if (nowMs - collectorAnsweredAtMs < freshMs) return undefined;
    if (this.#asked === undefined || nowMs - this.#asked.atMs >= askedAgainAfterMs) {
      this.#asked = { atMs: nowMs, answer: ask(this.#ask) };
    }
    return await this.#asked.answer;
  }
}

async function ask(send: (signal: AbortSignal) => Promise<CollectorAnswer>): Promise<CollectorAnswer> {
  try {
    return await send(AbortSignal.timeout(answerTimeoutMs));
  } catch (error) {
    return { ok: false, message: `The collector did not answer: ${messageOf(error)}`, hint: undefined };
  }
}
