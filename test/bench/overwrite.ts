/**
 * An object that was shipped and is overwritten with a few lines more: what its settled lines cost when they are read again.
 */
import { rmSync } from 'node:fs';
import { compareWithJsonParse } from './compare.ts';
import type { Table } from './report.ts';
import { ship } from './ship.ts';
import { objectPath, type Workshop, writeObject } from './workshop.ts';

const newLines = 1_000;

export async function measureOverwrites(workshop: Workshop): Promise<readonly Table[]> {
  const { sizes } = workshop;
  const settled = { first: 0, count: sizes.lineCount };
  const added = { first: sizes.lineCount, count: newLines };
  const overwrites = [
    // The usual case: the settled part is recognised by its digest.
    { name: 'new lines at the end', ranges: [settled, added] },
    // Here each line is compared with those that are settled.
    { name: 'new lines in front', ranges: [added, settled] },
  ];
  const contenders = overwrites.map(({ name, ranges }) => ({
    name,
    async run() {
      const [source, state] = [workshop.newDirectory(), workshop.newDirectory()];
      writeObject(objectPath(source, '0'), 'varied', settled);
      await ship({ source, state });
      writeObject(objectPath(source, '0'), 'varied', ...ranges);
      const run = await ship({ source, state });
      rmSync(source, { recursive: true });
      if (run.linesAccepted !== newLines)
        throw new Error(`${run.linesAccepted} lines were sent instead of ${newLines}`);
      return { ...run, lineCount: run.linesRead, workCpuSeconds: run.cpuSeconds - run.startCpuSeconds };
    },
  }));
  const title = `An object of ${sizes.lineCount.toLocaleString('en')} settled lines, overwritten with 1,000 more; lines read again`;
  return [{ name: 'overwrite', title, rows: await compareWithJsonParse(contenders, 'varied', sizes.rounds) }];
}
