/**
 * How long batch items are kept.
 */
import type { ObjectVersion } from '../model/object.ts';

const dayMs = 86_400_000;
/** DynamoDB deletes expired items when it likes, and clocks differ. */
const marginMs = 3 * dayMs;

/**
 * The date of the object plus the lookback window, but not before tomorrow, and some days more. Tomorrow by the clock of this process or by that
 * of the source, whichever is later: a clock that is a week behind must not write items that have expired already.
 */
export function expiresAtMs(
  { date, version }: { readonly date: string | undefined; readonly version?: Pick<ObjectVersion, 'modifiedAtMs'> },
  lookbackDays: number,
  nowMs: number,
): number {
  const latestMs = Math.max(nowMs, version?.modifiedAtMs ?? 0);
  const dateMs = date === undefined ? latestMs : Date.parse(`${date}T00:00:00Z`);
  const neededUntilMs = dateMs + (lookbackDays + 1) * dayMs;
  return Math.max(Number.isNaN(neededUntilMs) ? 0 : neededUntilMs, latestMs + dayMs) + marginMs;
}
