/**
 * The whole agent, from files to the answer of a receiver, with its durable state; the processor time is that of the whole
 * process, its start included.
 */
import { compareWithJsonParse } from './compare.ts';
import type { Table } from './report.ts';
import { ship } from './ship.ts';
import { manyObjects, type Workshop } from './workshop.ts';

type Run = readonly [name: string, objectCount: number, environment?: Readonly<Record<string, string>>];

const runs: readonly Run[] = [
  ['one object', 1],
  ['3,000 objects', manyObjects],
  ['one object, gzip', 1, { OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' }],
  ['one object, zstd', 1, { OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }],
  ['one object, `http/json`', 1, { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }],
];

export async function measureWholeAgent(workshop: Workshop): Promise<readonly Table[]> {
  const { sizes } = workshop;
  const contenders = runs.map(([name, objectCount, environment = {}]) => ({
    name,
    run: async () => {
      const source = workshop.delivery(objectCount);
      const run = await ship({ source, state: workshop.newDirectory(), environment });
      if (run.linesAccepted !== sizes.lineCount) throw new Error(`${run.linesAccepted} lines were sent`);
      return { ...run, lineCount: run.linesAccepted };
    },
  }));
  const title = `Whole agent, ${sizes.lineCount.toLocaleString('en')} lines from files to accepted over HTTP`;
  return [{ name: 'whole', title, rows: await compareWithJsonParse(contenders, sizes) }];
}
