/**
 * Logs a summary, so that the log shows that the agent is working: once a minute while it ships, once an hour otherwise.
 */
import type { WaitsFor } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Activity } from './activity.ts';
import { doing } from './health.ts';
import type { History } from './history.ts';

const shippingIntervalMs = 60_000;
const idleIntervalMs = 3_600_000;

export class SummaryLog {
  readonly #clock: Clock;
  readonly #logger: Logger;
  #linesBefore = 0;
  #objectsBefore = 0;
  #loggedAtMs: number;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
    this.#loggedAtMs = clock.nowMs();
  }

  /** Resolves when the signal is aborted. */
  async follow(activity: () => Activity, history: History, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#clock.sleep(shippingIntervalMs, signal).catch(() => {});
      if (signal.aborted) return;
      this.#summarise(activity());
      history.note(activity(), this.#clock.nowMs());
    }
  }

  #summarise(activity: Activity): void {
    const { linesAccepted, objectsShipped } = activity.counters;
    // A new agent in the same process counts from 0.
    const isNew = linesAccepted < this.#linesBefore || objectsShipped < this.#objectsBefore;
    const lines = linesAccepted - (isNew ? 0 : this.#linesBefore);
    const objects = objectsShipped - (isNew ? 0 : this.#objectsBefore);
    const nowMs = this.#clock.nowMs();
    const isShipping = lines + objects > 0;
    // A clock that is set back must not silence the log.
    if (!isShipping && Math.abs(nowMs - this.#loggedAtMs) < idleIntervalMs) return;
    this.#linesBefore = linesAccepted;
    this.#objectsBefore = objectsShipped;
    this.#loggedAtMs = nowMs;
    const lags = [...activity.workspaces.values()].flatMap(({ lagMs }) => lagMs ?? []);
    const { objectCount, sizeBytes } = activity.waitingObjects;
    const fields = {
      lines,
      objects,
      ...(isShipping && lags.length > 0 ? { lag_s: Math.round(Math.max(...lags) / 1000) } : {}),
      ...(activity.deadLetterFault === undefined ? { dead_letters: activity.waitingDeadLetterCount } : {}),
      waiting_objects: objectCount,
      waiting_bytes: sizeBytes,
    };
    const idle = isShipping ? undefined : whyIdle(activity);
    if (isShipping) this.#logger.info(fields, 'Shipped');
    else if (idle === undefined) this.#logger.info(fields, 'Nothing new to ship');
    else this.#logger.warn({ ...fields, reason: idle.reason }, idle.message);
  }
}

/** Why nothing was shipped for a while; undefined if there is nothing to ship. */
function whyIdle(activity: Activity): { readonly message: string; readonly reason: string } | undefined {
  const { complete, reason } = doing(activity);
  const [wait] = activity.waits.keys();
  if (wait !== undefined) return { message: waitMessages[wait], reason };
  return complete ? undefined : { message: 'Not everything is shipped', reason };
}

const waitMessages: Readonly<Record<WaitsFor, string>> = {
  collector: 'Waiting for the collector',
  deadLetterFile: 'Waiting to write dead letters',
  state: 'Waiting to write the state',
};
