/**
 * What `check` says about DATABRICKS_AUDIT_START.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { runChecks } from '../../src/tools/check.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

it.each([
  ['earliest', false],
  ['now', false],
  ['2026-01-30', false],
  ['2026-01-31', false],
  ['2026-02-01', true],
  ['2062-01-30', true],
])('warns about a date in the future, before which nothing is shipped: %s', async (start, isWarned) => {
  const directory = temporaryDirectory();
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: directory,
    DATABRICKS_AUDIT_STATE: join(directory, 'state'),
    DATABRICKS_AUDIT_START: start,
    OTEL_LOGS_EXPORTER: 'console',
  });
  const clock = new ManualClock('2026-01-31T23:59:59Z');
  const results = await Array.fromAsync(runChecks(configuration, new AbortController().signal, { clock }));
  const warnings = results.filter(({ message }) => message.startsWith('DATABRICKS_AUDIT_START'));
  expect(warnings).toEqual(
    isWarned
      ? [
          {
            status: 'warning',
            message: 'DATABRICKS_AUDIT_START is in the future: nothing of the days before it is shipped',
            hint: `It is ${start}, and today is 2026-01-31 (UTC). Set an earlier date, unless you want to wait.`,
          },
        ]
      : [],
  );
});
