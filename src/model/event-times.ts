/**
 * When the events of some lines took place.
 */

/** By the records' own timestamps; lines without one do not count. */
export interface EventTimes {
  readonly oldestMs: number;
  readonly newestMs: number;
  /** Of these lines, first met later than `DATABRICKS_AUDIT_LATE_AFTER` after their event. */
  readonly lateCount: number;
}
