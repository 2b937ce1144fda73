/**
 * What is known of one workspace.
 */

import type { BatchAbandoned, BatchEnded, LinesRead, SilenceChanged } from '../contracts/observer.ts';
import type { EventTimes } from '../model/event-times.ts';

/** Dates kept for the chart; older ones are let go, a backfill brings thousands. */
export const chartDatesMax = 14;

export class WorkspaceActivity {
  readCount = 0;
  newCount = 0;
  alreadyShippedCount = 0;
  acceptedCount = 0;
  deadLetteredCount = 0;
  /** In batches whose claim was taken over: another process sends them. */
  abandonedCount = 0;
  /** Events that were delivered late. */
  lateCount = 0;
  /** Of the newest event that was accepted. */
  lastEventMs: number | undefined;
  /** From the newest event of a batch to its acceptance, of the last batch. */
  lagMs: number | undefined;
  silence: SilenceChanged | undefined;
  /** Lines that came to their end, by the date in the path. */
  readonly #linesByDate = new Map<string, number>();
  /** How many batches under way have this oldest event. */
  readonly #underWay = new Map<number, number>();

  get inFlightCount(): number {
    return this.newCount - this.acceptedCount - this.deadLetteredCount - this.abandonedCount;
  }

  /** Of all events that are under way; undefined when none is. */
  get oldestUnsettledMs(): number | undefined {
    return this.#underWay.size === 0 ? undefined : Math.min(...this.#underWay.keys());
  }

  /** The newest dates, oldest first. */
  get linesByDate(): readonly (readonly [date: string, lineCount: number])[] {
    return [...this.#linesByDate].sort(([a], [b]) => (a < b ? -1 : 1));
  }

  linesRead(event: LinesRead): void {
    this.readCount += event.readCount;
    this.newCount += event.newCount;
    this.alreadyShippedCount += event.alreadyShippedCount;
    this.#countUnderWay(event.eventTimes, 1);
  }

  batchEnded(event: BatchEnded, nowMs: number): void {
    this.acceptedCount += event.acceptedCount;
    this.deadLetteredCount += event.deadLetteredCount;
    this.#countUnderWay(event.eventTimes, -1);
    if (event.date !== undefined) this.countOnDate(event.date, event.lineCount);
    this.lateCount += event.eventTimes?.lateCount ?? 0;
    if (event.eventTimes === undefined || event.acceptedCount === 0) return;
    const { newestMs } = event.eventTimes;
    this.lastEventMs = Math.max(this.lastEventMs ?? newestMs, newestMs);
    this.lagMs = Math.max(0, nowMs - newestMs);
  }

  batchAbandoned(event: BatchAbandoned): void {
    this.abandonedCount += event.lineCount;
    this.#countUnderWay(event.eventTimes, -1);
  }

  countOnDate(date: string, lineCount: number): void {
    this.#linesByDate.set(date, (this.#linesByDate.get(date) ?? 0) + lineCount);
    if (this.#linesByDate.size <= chartDatesMax) return;
    const [oldest] = [...this.#linesByDate.keys()].sort();
    if (oldest !== undefined) this.#linesByDate.delete(oldest);
  }

  #countUnderWay(times: EventTimes | undefined, change: 1 | -1): void {
    if (times === undefined) return;
    const count = (this.#underWay.get(times.oldestMs) ?? 0) + change;
    if (count === 0) this.#underWay.delete(times.oldestMs);
    else this.#underWay.set(times.oldestMs, count);
  }
}
