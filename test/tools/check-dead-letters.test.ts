/**
 * What `check` says about the directory of dead letters, which is otherwise not touched before a record is rejected.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import { runChecks } from '../../src/tools/check.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const never = new AbortController().signal;

async function findingsFor(directory: string, deadLetters: string) {
  const configuration = loadConfiguration({
    DATABRICKS_AUDIT_SOURCE: directory,
    DATABRICKS_AUDIT_STATE: join(directory, 'state'),
    DATABRICKS_AUDIT_DEAD_LETTERS: deadLetters,
    OTEL_LOGS_EXPORTER: 'console',
  });
  const results = await Array.fromAsync(runChecks(configuration, never));
  return results.filter(({ message }) => message.startsWith('dead letters'));
}

it('fails for a file in place of the directory, also in the state', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'state'));
  for (const file of [join(directory, 'letters'), join(directory, 'state', 'dead-letters')]) {
    writeFileSync(file, '');
    for (const place of [file, join(file, 'below')]) {
      expect(await findingsFor(directory, place)).toEqual([
        {
          status: 'failed',
          message: expect.stringMatching(`^dead letters cannot be kept in ${place}: .*not a directory`),
          hint: expect.stringContaining('DATABRICKS_AUDIT_DEAD_LETTERS'),
        },
      ]);
    }
  }
});

it('passes for a directory that exists or can be created, and leaves nothing behind', async () => {
  const directory = temporaryDirectory();
  const letters = join(directory, 'letters');
  const finding = { status: 'ok', message: `dead letters can be kept in ${letters}` };
  expect(await findingsFor(directory, letters)).toEqual([finding]);
  expect(readdirSync(directory)).toEqual([]);
  mkdirSync(letters);
  expect(await findingsFor(directory, letters)).toEqual([finding]);
  expect(readdirSync(letters)).toEqual([]);
});

it('says nothing about the default place unless it is unusable', async () => {
  const directory = temporaryDirectory();
  const letters = join(directory, 'state', 'dead-letters');
  expect(await findingsFor(directory, letters)).toEqual([]);
  mkdirSync(letters, { recursive: true });
  expect(await findingsFor(directory, letters)).toEqual([]);
});
