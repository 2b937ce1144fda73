/**
 * Follows a queue of notifications between the polls. Notifications are received only while places are free, so an outage of the collector
 * leaves them in the queue, and only while no walk of recent dates ships anything, so that after a start or an outage dates are
 * shipped in order. A walk that waits for an object held elsewhere stops nothing but the later dates of its workspace (docs/decisions/0031-notifications-are-hints.md).
 */
import type { NotificationQueue, NotifiedCandidate } from '../contracts/notifications.ts';
import type { Observer } from '../contracts/observer.ts';
import { isAgentError } from '../model/agent-error.ts';
import { type BackoffPolicy, backoffMs } from '../runtime/backoff.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { untilAborted } from '../runtime/until-aborted.ts';
import { FaultLog } from './fault-log.ts';
import type { Lane } from './lane.ts';
import type { ObjectVisits } from './object-visits.ts';

export interface NotifiedVisitsParts {
  readonly queue: NotificationQueue;
  readonly visits: ObjectVisits;
  /** Threads that the shipper ships with: each gets something to do. */
  readonly workers?: number | undefined;
  /** The first date to ship, `yyyy-mm-dd`; undefined for no limit. */
  readonly startDate: string | undefined;
  /** Faults are reported together with those of the listings, and dates wait for those that the listings ship. */
  readonly recentLane: (source: string) => Pick<Lane, 'faults' | 'walks'> | undefined;
  /** Resolves when no walk of recent dates ships anything, and the first one has ended or waits for what others ship. */
  readonly recentWalks: () => Promise<void>;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
}

const objectsAtOnce = 6;
const retryPolicy: BackoffPolicy = { initialMs: 1_000, maxMs: 60_000 };

export class NotifiedVisits {
  readonly #parts: NotifiedVisitsParts;
  readonly #places: number;
  readonly #faults: FaultLog;
  readonly #visiting = new Set<Promise<unknown>>();
  #failedReceives = 0;

  constructor(parts: NotifiedVisitsParts) {
    this.#parts = parts;
    this.#places = Math.max(objectsAtOnce, 2 * (parts.workers ?? 1));
    this.#faults = new FaultLog({ ...parts, source: parts.queue.name });
  }

  /** Rejects with ERR_STATE_DAMAGED. Resolves when the signal has aborted and every visit has ended. */
  async follow(signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await untilAborted(this.#parts.recentWalks(), signal);
        while (this.#visiting.size >= this.#places) await Promise.race(this.#visiting);
        if (signal.aborted) break;
        for (const candidate of await this.#receive(signal)) await this.#visit(candidate, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await Promise.all(this.#visiting);
    }
  }

  /** A message may name several objects, so there can be more candidates than places. */
  async #visit(candidate: NotifiedCandidate, signal: AbortSignal): Promise<void> {
    while (this.#visiting.size >= this.#places) await Promise.race(this.#visiting);
    if (signal.aborted) return;
    const { source } = candidate;
    const { visits, recentLane } = this.#parts;
    const lane = recentLane(source);
    const report = { source, foundBy: 'notification', faults: lane?.faults ?? this.#faults } as const;
    if (lane?.walks.isBefore(candidate.object.origin)) {
      visits.end(candidate, { status: 'elsewhere' }, report);
      return;
    }
    const visit = visits
      .visit(candidate, report, signal)
      .then((outcome) => {
        if (outcome?.status === 'elsewhere') visits.end(candidate, outcome, report);
      })
      .finally(() => this.#visiting.delete(visit));
    this.#visiting.add(visit);
  }

  /** Resolves to nothing after a failure: listings find what is not received. */
  async #receive(signal: AbortSignal): Promise<readonly NotifiedCandidate[]> {
    const { queue, clock, startDate } = this.#parts;
    const resolveFaults = this.#faults.beginListing();
    try {
      const candidates = await queue.receive({
        countMax: this.#places - this.#visiting.size,
        dates: { from: startDate, before: undefined },
        signal,
        onFault: (fault) => void this.#faults.report(fault, 'A notified object could not be looked at; retrying'),
      });
      this.#failedReceives = 0;
      resolveFaults();
      return candidates;
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error)) throw error;
      this.#faults.report(error, 'No notifications can be received; listings find what they miss');
      await clock.sleep(backoffMs(retryPolicy, this.#failedReceives++, clock), signal);
      return [];
    }
  }
}
