/**
 * `DATABRICKS_AUDIT_START`: the first date to ship.
 */
import type { DeliveredObject } from '../model/object.ts';
import { utcDate } from '../runtime/clock.ts';
import type { Start } from './options.ts';

/**
 * The first date to ship, or undefined for no limit. `now` is the day on which the state was created, so a restart after an
 * outage does not skip the days of the outage.
 */
export function startDate(start: Start, state: { readonly createdOn: string }): string | undefined {
  if (start === 'earliest') return undefined;
  return start === 'now' ? state.createdOn : start.date;
}

/** Sources select by the date in the path. Without one, the modification time of the object decides. */
export function isDue({ origin, version }: DeliveredObject, firstDate: string | undefined): boolean {
  if (firstDate === undefined || origin.date !== undefined) return true;
  return utcDate(version.modifiedAtMs) >= firstDate;
}
