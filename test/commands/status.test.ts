import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDeliveryState } from '../../src/delivery/index.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { silentLogger } from '../../src/runtime/logger.ts';
import { runAgent } from '../support/agent-process.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

it('shows what has been delivered if the dead letters cannot be listed, and fails with the reason', async () => {
  const directory = temporaryDirectory();
  const state = await openDeliveryState({ directory, clock: systemClock, logger: silentLogger });
  await state.close();
  const file = join(temporaryDirectory(), 'letters');
  writeFileSync(file, '');
  const environment = { DATABRICKS_AUDIT_STATE: directory, DATABRICKS_AUDIT_DEAD_LETTERS: file };
  const [text, json] = await Promise.all([
    runAgent(['status'], environment),
    runAgent(['status', '--json'], environment),
  ]);
  expect(text.stdout).toContain('0 lines accepted, 0 dead-lettered');
  expect(JSON.parse(json.stdout)).toMatchObject({ partitions: [] });
  expect(JSON.parse(json.stdout)).not.toHaveProperty('deadLetters');
  for (const { code, stderr } of [text, json]) {
    expect(code).toBe(1);
    expect(stderr).toContain('ERR_DEAD_LETTER_READ');
  }
});
