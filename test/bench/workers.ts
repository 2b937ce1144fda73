/**
 * How much sooner a backfill of several objects is done with workers. Wall time, so the machine has to have nothing else to do.
 */
import { median, type Table } from './report.ts';
import { type ShipRun, ship } from './ship.ts';
import type { Workshop } from './workshop.ts';

const objectCount = 8;
const workerCounts = [1, 2] as const;

export async function measureWorkers(workshop: Workshop): Promise<readonly Table[]> {
  const { lineCount, rounds } = workshop.sizes;
  const source = workshop.delivery('varied', objectCount);
  const runs = new Map<number, ShipRun[]>(workerCounts.map((workers) => [workers, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [workers, done] of runs) {
      const environment = { DATABRICKS_AUDIT_WORKERS: String(workers) };
      done.push(await ship({ source, state: workshop.newDirectory(), environment }));
    }
  }
  const wallSecondsOf = (workers: number) => median((runs.get(workers) ?? []).map(({ wallSeconds }) => wallSeconds));
  const rows = [...runs].map(([workers, done]) => ({
    name: workers === 1 ? 'no workers' : `${workers} workers`,
    figures: {
      wallSeconds: wallSecondsOf(workers),
      timesAsFast: wallSecondsOf(1) / wallSecondsOf(workers),
      cpuSeconds: median(done.map(({ cpuSeconds }) => cpuSeconds)),
      peakMiB: median(done.map(({ peakMiB }) => peakMiB)),
    },
  }));
  const title = `${lineCount.toLocaleString('en')} lines in ${objectCount} objects, from files to accepted over HTTP`;
  return [{ name: 'workers', title, rows }];
}
