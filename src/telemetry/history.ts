/**
 * Throughput, lag and backlog over the last hours, for the charts of the live page.
 */
import type { Activity } from './activity.ts';

export interface HistoryPoint {
  /** End of the interval. */
  readonly atMs: number;
  readonly lines: number;
  readonly lagMs: number | undefined;
  readonly waitingObjects: number;
}

export const historyIntervalMs = 5 * 60_000;
/** Six hours. */
const pointsMax = 72;

export class History {
  readonly #points: HistoryPoint[] = [];
  #intervalStartMs: number;
  #linesBefore = 0;

  constructor(nowMs: number) {
    this.#intervalStartMs = nowMs;
  }

  get points(): readonly HistoryPoint[] {
    return this.#points;
  }

  /** Call it about once a minute. */
  note(activity: Activity, nowMs: number): void {
    if (nowMs >= this.#intervalStartMs && nowMs < this.#intervalStartMs + historyIntervalMs) return;
    const { linesAccepted } = activity.counters;
    // A new agent in the same process counts from 0.
    const lines = linesAccepted < this.#linesBefore ? linesAccepted : linesAccepted - this.#linesBefore;
    const lags = [...activity.workspaces.values()].flatMap(({ lagMs }) => lagMs ?? []);
    this.#points.push({
      atMs: nowMs,
      lines,
      lagMs: lines === 0 || lags.length === 0 ? undefined : Math.max(...lags),
      waitingObjects: activity.waitingObjects.objectCount,
    });
    if (this.#points.length > pointsMax) this.#points.shift();
    this.#linesBefore = linesAccepted;
    this.#intervalStartMs = nowMs;
  }
}
