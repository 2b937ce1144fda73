/**
 * That memory does not grow with the object.
 */
import { rmSync } from 'node:fs';
import { deliveryLines } from './deliveries.ts';
import type { Row, Table } from './report.ts';
import { ship } from './ship.ts';
import { objectPath, type Workshop, writeObject } from './workshop.ts';

export async function measureMemory(workshop: Workshop): Promise<readonly Table[]> {
  const rows: Row[] = [];
  for (const megabytes of workshop.sizes.objectMegabytes) {
    const source = workshop.newDirectory();
    writeObject(objectPath(source, '0'), 'varied', { first: 0, count: Math.round((megabytes * 1e6) / lineBytes()) });
    const { peakMiB } = await ship({ source, state: workshop.newDirectory() });
    rows.push({ name: `${megabytes.toLocaleString('en')} MB`, figures: { peakMiB } });
    rmSync(source, { recursive: true });
  }
  return [{ name: 'memory', title: 'Peak resident memory by the size of one object', rows }];
}

function lineBytes(): number {
  const texts = deliveryLines('varied', { first: 0, count: 1_000 });
  return texts.join('\n').length / texts.length;
}
