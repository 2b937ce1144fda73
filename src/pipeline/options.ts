/**
 * What the user decides about listing and batching.
 */
import { bad, duration, good, variable, wholeNumber } from '../runtime/variable.ts';

/** `earliest`, `now` (the day on which the state began), or the first date to ship. */
export type Start = 'earliest' | 'now' | { readonly date: string };

const start = variable((text) => {
  if (text === 'earliest' || text === 'now') return good<Start>(text);
  if (isDate(text)) return good<Start>({ date: text });
  return bad('expected earliest, now, or a date such as 2026-01-31');
});

const mebibyte = 1_048_576;

export const pipelineOptions = {
  DATABRICKS_AUDIT_START: start
    .transform((value) => value ?? 'earliest')
    .describe(
      'Which date partitions to ship at all: `earliest`, `now` (from the UTC date of the first start on) or a date, `yyyy-mm-dd`. Default `earliest`.',
    ),
  DATABRICKS_AUDIT_POLL_INTERVAL: variable(duration(1000, '60s'))
    .transform((value) => value ?? 60_000)
    .describe('Time between two listings. Default `60s`.'),
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
  DATABRICKS_AUDIT_LATE_AFTER: variable(duration(0, '24h'))
    .transform((value) => value ?? 86_400_000)
    .describe(
      'Events delivered later than this after they took place are counted as late; `0` turns it off. Default `24h`.',
    ),
  DATABRICKS_AUDIT_BATCH_RECORDS: variable(wholeNumber(1, 100_000))
    .transform((value) => value ?? 512)
    .describe('Records in a request at most. Default `512`.'),
  DATABRICKS_AUDIT_BATCH_BYTES: variable(wholeNumber(1024, 64 * mebibyte))
    .transform((value) => value ?? 4 * mebibyte)
    .describe('Bytes in a request at most, before compression (one record may be larger). Default `4194304`, 4 MiB.'),
};

function isDate(text: string): boolean {
  const time = Date.parse(`${text}T00:00:00Z`);
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}
