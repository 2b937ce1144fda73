/**
 * The activity of one workspace.
 */

import type {
  BatchAbandoned,
  BatchEnded,
  Fault,
  LinesRead,
  ObjectsWaiting,
  SilenceChanged,
} from '../contracts/observer.ts';
import type { EventTimes } from '../model/event-times.ts';

/** Dates kept for the chart. Older ones are discarded, because a backfill can bring thousands. */
export const chartDatesMax = 14;

export interface WaitingSum {
  readonly objectCount: number;
  readonly sizeBytes: number;
  readonly oldestMs: number | undefined;
  /** The longest-standing one. */
  readonly fault: Fault | undefined;
  readonly faultSinceMs: number | undefined;
}

export function sumOfWaiting(waiting: readonly ObjectsWaiting[]): WaitingSum {
  const oldest = waiting.flatMap(({ oldestMs }) => oldestMs ?? []);
  const [faulty] = waiting
    .filter(({ fault }) => fault !== undefined)
    .toSorted((one, other) => (one.faultSinceMs ?? 0) - (other.faultSinceMs ?? 0));
  return {
    objectCount: waiting.reduce((sum, { objectCount }) => sum + objectCount, 0),
    sizeBytes: waiting.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    oldestMs: oldest.length === 0 ? undefined : Math.min(...oldest),
    fault: faulty?.fault,
    faultSinceMs: faulty?.faultSinceMs,
  };
}

export class WorkspaceActivity {
  readCount = 0;
  newCount = 0;
  alreadyShippedCount = 0;
  acceptedCount = 0;
  deadLetteredCount = 0;
  /** By earlier processes. */
  readonly deliveredBefore = { accepted: 0, deadLettered: 0 };
  /** In batches whose claim was taken over: another process sends them. */
  abandonedCount = 0;
  /** Events that were delivered late. */
  lateCount = 0;
  /** Time of the newest accepted event. */
  lastEventMs: number | undefined;
  /** Time from the newest event of the last batch to the acceptance of that batch. */
  lagMs: number | undefined;
  silence: SilenceChanged | undefined;
  /** Accepted and dead-lettered lines by the date in the path. */
  readonly #linesByDate = new Map<string, number>();
  readonly #waiting = new Map<string, ObjectsWaiting>();
  /** Batches in flight, counted by the time of their oldest event. */
  readonly #inFlight = new Map<number, number>();

  get inFlightCount(): number {
    return this.newCount - this.acceptedCount - this.deadLetteredCount - this.abandonedCount;
  }

  /** Time of the oldest event in flight; undefined if none is. */
  get oldestUnsettledMs(): number | undefined {
    return this.#inFlight.size === 0 ? undefined : Math.min(...this.#inFlight.keys());
  }

  /** The most recent dates, in ascending order. */
  get linesByDate(): readonly (readonly [date: string, lineCount: number])[] {
    return [...this.#linesByDate].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Listed and not shipped. */
  get waiting(): readonly ObjectsWaiting[] {
    return [...this.#waiting.values()];
  }

  objectsWaiting(event: ObjectsWaiting): void {
    // Workspaces beyond the limit of Activity share one.
    const key = JSON.stringify([event.source, event.dates, event.workspaceId]);
    if (event.objectCount === 0) this.#waiting.delete(key);
    else this.#waiting.set(key, event);
  }

  linesRead(event: LinesRead): void {
    this.readCount += event.readCount;
    this.newCount += event.newCount;
    this.alreadyShippedCount += event.alreadyShippedCount;
    this.#countInFlight(event.eventTimes, 1);
  }

  batchEnded(event: BatchEnded, nowMs: number): void {
    this.acceptedCount += event.acceptedCount;
    this.deadLetteredCount += event.deadLetteredCount;
    this.#countInFlight(event.eventTimes, -1);
    if (event.date !== undefined) this.countOnDate(event.date, event.lineCount);
    this.lateCount += event.eventTimes?.lateCount ?? 0;
    if (event.eventTimes === undefined || event.acceptedCount === 0) return;
    const { newestMs } = event.eventTimes;
    this.lastEventMs = Math.max(this.lastEventMs ?? newestMs, newestMs);
    this.lagMs = Math.max(0, nowMs - newestMs);
  }

  batchAbandoned(event: BatchAbandoned): void {
    this.abandonedCount += event.lineCount;
    this.#countInFlight(event.eventTimes, -1);
  }

  countOnDate(date: string, lineCount: number): void {
    this.#linesByDate.set(date, (this.#linesByDate.get(date) ?? 0) + lineCount);
    if (this.#linesByDate.size <= chartDatesMax) return;
    const [oldest] = [...this.#linesByDate.keys()].sort();
    if (oldest !== undefined) this.#linesByDate.delete(oldest);
  }

  #countInFlight(times: EventTimes | undefined, change: 1 | -1): void {
    if (times === undefined) return;
    const count = (this.#inFlight.get(times.oldestMs) ?? 0) + change;
    if (count === 0) this.#inFlight.delete(times.oldestMs);
    else this.#inFlight.set(times.oldestMs, count);
  }
}
