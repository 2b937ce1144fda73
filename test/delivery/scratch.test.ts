import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDeliveryState } from '../../src/delivery/index.ts';
import type { ObjectId } from '../../src/model/object.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { countingExporter } from '../support/counting-exporter.ts';
import { shipperOn } from '../support/lives.ts';
import { memoryObject } from '../support/memory-object.ts';
import { smallDisk } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never = new AbortController().signal;
/** More than are counted in memory. */
const lineCount = 200_000;

describe('Scratch', () => {
  it('begins empty with each process: what a killed one left behind is gone, with however many workers', async () => {
    const directory = temporaryDirectory();
    const [left, kept] = [['scratch.db', 'scratch-1.db', 'scratch-12.db'], ['scratch-of-mine.db']];
    for (const name of [...left, ...kept]) writeFileSync(join(directory, name), 'counts');
    const state = openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(kept));
    expect(left.filter((name) => existsSync(join(directory, name)))).toEqual([]);
    await state.close();
  });

  it('on a full disk holds up the objects that need it and no other, and they are shipped once there is room', async (context) => {
    const disk = smallDisk(context);
    const directory = temporaryDirectory();
    const state = openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
    const { exporter, shipped } = countingExporter();
    const shipper = shipperOn(state, exporter, never, 10_000);
    const large = memoryObject(Array.from({ length: lineCount }, (_, index) => `{"line":${index}}\n`).join(''));
    const other = memoryObject('{}\n');
    const small = { ...other, origin: { ...other.origin, id: 's3://audit/small' as ObjectId } };

    disk.fill();
    symlinkSync(join(disk.path, 'scratch.db'), join(directory, 'scratch.db'));
    expect(await shipper.ship(large, never)).toMatchObject({
      status: 'released',
      error: { code: 'ERR_STATE_WRITE', hint: expect.stringContaining('Free space') },
    });
    expect(await shipper.ship(small, never)).toEqual({ status: 'settled' });
    // Given up, the database is gone, and with it the link to the full disk.
    expect(existsSync(join(directory, 'scratch.db'))).toBe(false);
    expect(await shipper.ship(large, never)).toEqual({ status: 'settled' });
    expect(shipped.reduce((sum, count) => sum + count, 0)).toBe(lineCount + 1);
    await state.close();
  });
});
