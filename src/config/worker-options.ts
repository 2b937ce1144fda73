/**
 * Options for worker threads.
 */
import { availableParallelism } from 'node:os';
import { bad, good, variable, wholeNumber } from '../runtime/variable.ts';

const workersMax = 64;
const workerCount = wholeNumber(1, workersMax);

export const workerOptions = {
  DATABRICKS_AUDIT_WORKERS: variable((text) => {
    if (text === 'auto') return good(Math.min(availableParallelism(), workersMax));
    const parsed = workerCount(text);
    return 'problem' in parsed ? bad(`${parsed.problem}, or auto`) : parsed;
  })
    .transform((value) => value ?? 1)
    .describe(
      `Number of threads that ship objects in parallel, 1 to ${workersMax}, or \`auto\` for one per core. Meant for backfills; see ` +
        '[operations](operations.md#a-backfill-on-several-cores). Always 1 with `OTEL_LOGS_EXPORTER=console`. Default `1`.',
    ),
};
