/**
 * Probes the collector for readiness checks when the agent has had nothing to send for a while.
 */
import { messageOf } from '../model/agent-error.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Activity } from './activity.ts';
import type { CollectorAnswer } from './health.ts';

/** A response to a request counts as current for this long. */
const freshMs = 60_000;
/** Kubernetes and load balancers probe readiness every few seconds each; they share one request to the collector. */
const probeIntervalMs = 15_000;
/** Shorter than a typical readiness probe's timeout, so that the probe still receives the reason. */
const probeTimeoutMs = 3_000;

/** The answer to an empty request. */
export interface EmptyAnswer {
  readonly answer: CollectorAnswer;
  /** Set if the server refused it for a reason that may hold for others too. */
  readonly rejectsEmpty?: true | undefined;
}

export type AskCollector = (signal: AbortSignal) => Promise<EmptyAnswer>;

export class CollectorWatch {
  readonly #ask: AskCollector | undefined;
  readonly #clock: Clock;
  #asked: { readonly atMs: number; readonly answer: Promise<EmptyAnswer> } | undefined;

  constructor(ask: AskCollector | undefined, clock: Clock) {
    this.#ask = ask;
    this.#clock = clock;
  }

  /** Undefined if recent requests already answer the question, or if there is no collector to probe. */
  async answer(
    activity: Pick<Activity, 'waits' | 'collectorAnsweredAtMs' | 'hasAccepted'>,
  ): Promise<CollectorAnswer | undefined> {
    const nowMs = this.#clock.nowMs();
    const { collectorAnsweredAtMs = Number.NEGATIVE_INFINITY } = activity;
    if (this.#ask === undefined || activity.waits.has('collector')) return undefined;
    if (nowMs - collectorAnsweredAtMs < freshMs) return undefined;
    if (this.#asked === undefined || nowMs - this.#asked.atMs >= probeIntervalMs) {
      this.#asked = { atMs: nowMs, answer: ask(this.#ask) };
    }
    const { answer, rejectsEmpty } = await this.#asked.answer;
    // It has accepted records with the same settings, so that it only dislikes requests without any.
    return rejectsEmpty && activity.hasAccepted ? { ...answer, ok: true, hint: undefined } : answer;
  }
}

async function ask(send: AskCollector): Promise<EmptyAnswer> {
  try {
    return await send(AbortSignal.timeout(probeTimeoutMs));
  } catch (error) {
    const message = `The collector did not respond: ${messageOf(error)}`;
    return { answer: { ok: false, message, hint: undefined } };
  }
}
