/**
 * The time range of some events.
 */

/** According to the records' own timestamps; lines without one are ignored. */
export interface EventTimes {
  readonly oldestMs: number;
  readonly newestMs: number;
  /** Lines that were first seen more than `DATABRICKS_AUDIT_LATE_AFTER` after their event. */
  readonly lateCount: number;
}
