/**
 * What the state takes on the disk, and how long an agent takes to begin with a large one.
 */
import { stateSizeBytes } from '../../src/delivery/index.ts';
import { writeLargeState } from './large-state.ts';
import type { Row, Table } from './report.ts';
import { ship } from './ship.ts';
import { measureStarts } from './start.ts';
import { manyObjects, type Workshop } from './workshop.ts';

export async function measureState(workshop: Workshop): Promise<readonly Table[]> {
  const { stateObjectCount } = workshop.sizes;
  const large = workshop.newDirectory();
  await writeLargeState(large, stateObjectCount);
  const afterLookback = {
    name: 'an object after the look-back',
    figures: { bytesPerObject: stateSizeBytes(large) / stateObjectCount },
  };
  const sizes = {
    name: 'state',
    title: 'The state on the disk',
    rows: [...(await measureSizes(workshop)), afterLookback],
  };
  return [sizes, await measureStarts(workshop, large)];
}

async function measureSizes(workshop: Workshop): Promise<readonly Row[]> {
  const { lineCount } = workshop.sizes;
  const [one, many] = [workshop.newDirectory(), workshop.newDirectory()];
  await ship({ source: workshop.delivery('varied'), state: one });
  await ship({ source: workshop.delivery('varied', manyObjects), state: many });
  const linesPerObject = Math.ceil(lineCount / manyObjects);
  const manyBytes = stateSizeBytes(many);
  return [
    { name: 'one large object', figures: { bytesPerLine: stateSizeBytes(one) / lineCount } },
    {
      name: `objects of ${linesPerObject} lines each`,
      figures: { bytesPerLine: manyBytes / lineCount, bytesPerObject: (manyBytes * linesPerObject) / lineCount },
    },
  ];
}
