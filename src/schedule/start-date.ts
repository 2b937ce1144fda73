/**
 * `DATABRICKS_AUDIT_START`: which deliveries are shipped at all.
 */
import type { DeliveredObject } from '../model/object.ts';
import { utcDate } from '../runtime/clock.ts';
import type { Start } from './options.ts';

/**
 * The first date to ship, or undefined for the earliest there is. `now` is the day on which the state was created, so that a
 * restart after an outage does not skip the days of the outage.
 */
export function startDate(start: Start, state: { readonly createdOn: string }): string | undefined {
  if (start === 'earliest') return undefined;
  return start === 'now' ? state.createdOn : start.date;
}

/** Sources select by the date in the path; where it has none, the object's own time decides. */
export function isDue({ origin, version }: DeliveredObject, firstDate: string | undefined): boolean {
  if (firstDate === undefined || origin.date !== undefined) return true;
  return utcDate(version.modifiedAtMs) >= firstDate;
}
