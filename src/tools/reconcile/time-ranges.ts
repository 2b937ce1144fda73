/**
 * The times of some records as few ranges without long gaps, so that a backend is not asked about the years between two of them.
 */
import type { TimeRange } from '../../contracts/backend.ts';

/** A shorter gap costs a backend that reads day by day at most one request, as a range of its own would. */
export const millisecondsPerDay = 86_400_000;

export class TimeRanges {
  /** By the day on which they start: their starts are less than a day apart, so one range for all of them has no long gap. */
  readonly #byDay = new Map<number, TimeRange>();

  add({ fromMs, toMs }: TimeRange): void {
    const day = Math.floor(fromMs / millisecondsPerDay);
    const known = this.#byDay.get(day);
    this.#byDay.set(day, {
      fromMs: Math.min(fromMs, known?.fromMs ?? fromMs),
      toMs: Math.max(toMs, known?.toMs ?? toMs),
    });
  }

  /** In order of time, with gaps of more than a day between them. */
  joined(): readonly TimeRange[] {
    const joined: TimeRange[] = [];
    for (const range of [...this.#byDay.values()].sort((one, other) => one.fromMs - other.fromMs)) {
      const last = joined.at(-1);
      if (last === undefined || range.fromMs - last.toMs > millisecondsPerDay) joined.push(range);
      else joined.splice(-1, 1, { fromMs: last.fromMs, toMs: Math.max(last.toMs, range.toMs) });
    }
    return joined;
  }
}
