import { chmodSync, existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDeliveryReader, openDeliveryState, probeState, readDeliverySummary } from '../../src/delivery/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { smallDisk } from '../support/small-disk.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const open = (directory: string) => openDeliveryState({ directory, clock: systemClock, logger: silentLogger });

it('creates neither a directory nor a state', async () => {
  const parent = temporaryDirectory();
  expect(await probeState(join(parent, 'data', 'state'))).toBe('canBeCreated');
  expect(await probeState(parent)).toBe('exists');
  expect(readdirSync(parent)).toEqual([]);
});

it('accepts a state of an agent that does not run, and names one that runs', async () => {
  const directory = temporaryDirectory();
  const state = await open(directory);
  await expect(probeState(directory)).rejects.toMatchObject({ code: 'ERR_STATE_LOCKED' });
  await state.close();
  expect(await probeState(directory)).toBe('exists');
  await (await open(directory)).close();
});

it('leaves a damaged state where it is', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'delivery.db'), 'this is no database\n'.repeat(500));
  await expect(probeState(directory)).rejects.toMatchObject({ code: 'ERR_STATE_DAMAGED' });
  expect(readdirSync(directory)).toEqual(['delivery.db']);
});

it('says when the directory cannot be made or written', async () => {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'file'), '');
  for (const path of [join(directory, 'file', 'state'), join(directory, 'file')]) {
    await expect(probeState(path)).rejects.toMatchObject({ code: 'ERR_STATE_WRITE' });
  }
  expect(existsSync(join(directory, 'file'))).toBe(true);
});

it.skipIf(process.getuid?.() === 0)('says when the directory is read-only', async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o500);
  await expect(probeState(directory)).rejects.toMatchObject({ code: 'ERR_STATE_WRITE' });
});

it('does not take a state for a missing one because it may not look', async () => {
  const loop = join(temporaryDirectory(), 'loop');
  symlinkSync(loop, loop);
  for (const read of [openDeliveryReader, readDeliverySummary])
    await expect(read(loop)).rejects.toMatchObject({ code: 'ERR_STATE_WRITE', message: expect.stringContaining(loop) });
});

for (const { state, breakIt } of [
  { state: 'full', breakIt: 'fill' },
  { state: 'read-only', breakIt: 'makeReadOnly' },
] as const) {
  it(`says where a state cannot be read because its volume is ${state}`, async (context) => {
    const disk = smallDisk(context);
    await (await open(disk.path)).close();
    disk[breakIt]();
    for (const read of [probeState, openDeliveryReader, readDeliverySummary])
      await expect(read(disk.path)).rejects.toMatchObject({
        code: 'ERR_STATE_WRITE',
        message: expect.stringContaining(disk.path),
        hint: expect.stringContaining('free space'),
      });
  });
}
