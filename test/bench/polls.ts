/**
 * A poll over objects that did not change costs a listing and a look into the state for each of them.
 */
import { spawn } from 'node:child_process';
import { end, firstLine, here } from './child.ts';
import { median, type Table } from './report.ts';
import { ship } from './ship.ts';
import { manyObjects, type Workshop } from './workshop.ts';

interface Polls {
  readonly objectCount: number;
  /** Of each time. */
  readonly listCpuSeconds: readonly number[];
  readonly pollCpuSeconds: readonly number[];
  readonly objectsShipped: number;
  readonly bytesDecoded: number;
}

export async function measurePolls(workshop: Workshop): Promise<readonly Table[]> {
  const [source, state] = [workshop.delivery('varied', manyObjects), workshop.newDirectory()];
  await ship({ source, state });
  const { objectCount, listCpuSeconds, pollCpuSeconds, objectsShipped, bytesDecoded } = await poll(source, state);
  if (bytesDecoded > 0) throw new Error(`${bytesDecoded} bytes were read of objects that did not change`);
  const perObject = (cpuSeconds: readonly number[]) => (median(cpuSeconds) * 1e6) / objectCount;
  const rows = [
    { name: 'listing alone', figures: { cpuMicrosecondsPerObject: perObject(listCpuSeconds), toListing: 1 } },
    {
      name: 'poll',
      figures: {
        cpuMicrosecondsPerObject: perObject(pollCpuSeconds),
        toListing: median(pollCpuSeconds) / median(listCpuSeconds),
        objectsOpened: objectsShipped,
      },
    },
  ];
  const title = `A poll over ${objectCount.toLocaleString('en')} settled files that did not change`;
  return [{ name: 'polls', title, rows }];
}

async function poll(source: string, state: string): Promise<Polls> {
  const env = { DATABRICKS_AUDIT_SOURCE: source, DATABRICKS_AUDIT_STATE: state };
  const child = spawn(process.execPath, [here('measured-polls.mjs')], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    return JSON.parse(await firstLine(child)) as Polls;
  } finally {
    await end(child);
  }
}
