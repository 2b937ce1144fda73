import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { DeadLetterFileWriter } from '../../src/export/dead-letters/dead-letter-file-writer.ts';
import { DeadLetters } from '../../src/export/dead-letters/dead-letters.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { runAgent } from '../support/agent-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const open = (directory: string) => openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

it('creates directories that only the owner can enter, and files that only the owner can read', async () => {
  const parent = join(temporaryDirectory(), 'data');
  const directory = join(parent, 'state');
  const state = await open(directory);
  const letters = new DeadLetters(
    new DeadLetterFileWriter({ directory: join(directory, 'dead-letters') }, systemClock),
    systemClock,
    silentLogger,
  );
  await letters.write(['{}'], { protocol: 'http', code: 400, reason: 'no' }, new AbortController().signal);
  expect([parent, directory, join(directory, 'dead-letters')].map(modeOf)).toEqual(['700', '700', '700']);
  const files = modesBelow(directory);
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(['delivery.db', 'delivery.db-wal', 'delivery.db-shm', 'lock.db']),
  );
  expect(Object.keys(files).filter((name) => name.startsWith('dead-letters/'))).toHaveLength(2);
  expect(new Set(Object.values(files))).toEqual(new Set(['600']));
  await letters.close();
  await state.close();
});

it('tightens a state that others can read', async () => {
  const directory = temporaryDirectory();
  await (await open(directory)).close();
  mkdirSync(join(directory, 'dead-letters'));
  for (const name of ['dead-letters/dead-letters-2026-01-30-1.jsonl', 'delivery.db.damaged-2026-01-30T000000.000Z']) {
    writeFileSync(join(directory, name), '');
  }
  for (const path of [directory, join(directory, 'dead-letters')]) chmodSync(path, 0o777);
  for (const name of Object.keys(modesBelow(directory))) chmodSync(join(directory, name), 0o666);
  const state = await open(directory);
  expect([directory, join(directory, 'dead-letters')].map(modeOf)).toEqual(['700', '700']);
  expect(Object.keys(modesBelow(directory)).length).toBeGreaterThan(3);
  expect(new Set(Object.values(modesBelow(directory)))).toEqual(new Set(['600']));
  await state.close();
});

it('leaves a directory alone that it shares with other programs, and what is not its own', async () => {
  const [directory, elsewhere] = [temporaryDirectory(), temporaryDirectory()];
  chmodSync(directory, 0o777);
  for (const path of [join(directory, 'notes.txt'), join(elsewhere, 'passwd')]) {
    writeFileSync(path, '');
    chmodSync(path, 0o644);
  }
  symlinkSync(join(elsewhere, 'passwd'), join(directory, 'delivery.db.damaged-link'));
  const state = await open(directory);
  expect([directory, join(directory, 'notes.txt'), join(elsewhere, 'passwd')].map(modeOf)).toEqual([
    '777',
    '644',
    '644',
  ]);
  expect(modeOf(join(directory, 'delivery.db'))).toBe('600');
  await state.close();
});

it.runIf(process.getuid?.() === 0)('works in a directory of another user, as on a volume with an fsGroup', async () => {
  const directory = temporaryDirectory();
  chmodSync(directory, 0o2775);
  const { code, stderr } = await runAgent(
    ['ship', temporaryDirectory()],
    { DATABRICKS_AUDIT_STATE: directory, OTEL_LOGS_EXPORTER: 'console' },
    { uid: 65_532 },
  );
  expect({ code, stderr }).toMatchObject({ stderr: expect.not.stringContaining('ERR_STATE') });
  expect(modeOf(join(directory, 'delivery.db'))).toBe('600');
  expect(statSync(directory).mode & 0o7777).toBe(0o2775);
});

/** By path below the directory; without links. */
function modesBelow(directory: string): Record<string, string> {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => lstatSync(join(directory, name)).isFile());
  return Object.fromEntries(files.sort().map((name) => [name, modeOf(join(directory, name))]));
}
