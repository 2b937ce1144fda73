/**
 * Counts of notifications by how they ended: for each source that has notifications, and for messages that name no object of ours.
 */
import type { NotificationOutcome } from '../contracts/notifications.ts';
import type { NotificationEnded } from '../contracts/observer.ts';

const outcomesOfObjects = ['settled', 'unchanged', 'damaged', 'gone', 'released', 'elsewhere'] as const;
const otherOutcomes = ['outside', 'removal', 'other', 'test', 'subscription', 'unknown'] as const;

export interface NotificationCount {
  /** Undefined for a message that names no object of a source. */
  readonly source: string | undefined;
  readonly outcome: NotificationOutcome;
  count: number;
}

export class NotificationCounts {
  /** From 0 on, so that Prometheus sees an increase. Empty without a queue. */
  readonly #counts: readonly NotificationCount[];

  /** @param sourceNames those of which a queue has notifications; none without a queue. */
  constructor(sourceNames: readonly string[]) {
    const ofSources = sourceNames.flatMap((source) =>
      outcomesOfObjects.map((outcome) => ({ source, outcome, count: 0 })),
    );
    const others = sourceNames.length === 0 ? [] : otherOutcomes;
    this.#counts = [...ofSources, ...others.map((outcome) => ({ source: undefined, outcome, count: 0 }))];
  }

  get all(): readonly Readonly<NotificationCount>[] {
    return this.#counts;
  }

  observe({ source, outcome }: NotificationEnded): void {
    const count = this.#counts.find((each) => each.source === source && each.outcome === outcome);
    if (count !== undefined) count.count++;
  }

  /** Of one source, however they ended; undefined if no queue has notifications of it. */
  receivedFor(source: string): number | undefined {
    const counts = this.#counts.filter((each) => each.source === source);
    return counts.length === 0 ? undefined : counts.reduce((sum, { count }) => sum + count, 0);
  }
}
