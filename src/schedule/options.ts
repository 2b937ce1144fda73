/**
 * What the user decides about listing: how far back, how often, and when a workspace counts as silent.
 */
import { bad, duration, good, variable } from '../runtime/variable.ts';

/** `earliest`, `now` (the day on which the state was created), or the first date to ship. */
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
      'Which date partitions to ship at all: `earliest`, `now` (from the UTC date of the first start on) or a date, `yyyy-mm-dd`. Default `earliest`.',
    ),
  DATABRICKS_AUDIT_LOOKBACK: variable(duration(86_400_000, '7d'))
    .transform((value) => value ?? 7 * 86_400_000)
    .describe('Date partitions that every listing covers; older ones only in a sweep. Default `7d`.'),
  DATABRICKS_AUDIT_SWEEP_INTERVAL: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'Time between two listings of everything from the start on; `0` lists it once, at the start. Default `24h`.',
    ),
  DATABRICKS_AUDIT_SILENCE_AFTER: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'A workspace without an event for so long raises `databricks.audit.silence` and a metric; `0` turns it off. Default `24h`.',
    ),
};

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
