/**
 * Options for the schedule: how far back and how often to list, and when a workspace counts as silent.
 */
import { bad, duration, good, variable } from '../runtime/variable.ts';

/** `earliest`, `now` (the UTC date on which the state was created), or the first date to ship. */
export type Start = 'earliest' | 'now' | { readonly date: string };

const start = variable((text) => {
  if (text === 'earliest' || text === 'now') return good<Start>(text);
  if (isDate(text)) return good<Start>({ date: text });
  return bad('expected earliest, now, or a date such as 2026-01-31');
});

export const scheduleOptions = {
  DATABRICKS_AUDIT_START: start
    .transform((value) => value ?? 'earliest')
    .describe(
      'First date partition to ship: `earliest`, `now` (the UTC date on which the agent first started) or a date, `yyyy-mm-dd`. Default `earliest`.',
    ),
  DATABRICKS_AUDIT_LOOKBACK: variable(duration(86_400_000, '7d'))
    .transform((value) => value ?? 7 * 86_400_000)
    .describe(
      'How many days of date partitions every poll lists; older partitions are listed only by sweeps. Default `7d`.',
    ),
  DATABRICKS_AUDIT_SWEEP_INTERVAL: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'Interval between two sweeps, which list all date partitions from `DATABRICKS_AUDIT_START` on; `0` sweeps only once, when the agent starts. Default `24h`.',
    ),
  DATABRICKS_AUDIT_SILENCE_AFTER: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'A workspace without an event for this long counts as silent: the agent sends a `databricks.audit.silence` record and sets a metric. `0` turns this off. Default `24h`.',
    ),
};

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
