/**
 * Variables with empty values, as Compose passes those that are not set, and empty options, as a shell passes such a variable.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const sample = fileURLToPath(new URL('../../../examples/sample-delivery/delivered', import.meta.url));

it.each([
  ['status'],
  ['replay', '--dry-run'],
  ['preview', sample],
  ['state', 'init'],
  ['mapping', 'show'],
  ['detections', '--format', 'sigma-pipeline'],
])('%s needs no source, and takes an empty DATABRICKS_AUDIT_SOURCE as none', async (...command) => {
  const state = { DATABRICKS_AUDIT_STATE: join(temporaryDirectory(), 'state') };
  const [unset, empty] = await Promise.all([
    runAgent(command, state),
    runAgent(command, { ...state, DATABRICKS_AUDIT_SOURCE: '' }),
  ]);
  expect(unset.stderr).not.toContain('DATABRICKS_AUDIT_SOURCE');
  expect(empty).toEqual(unset);
});

it('state copy refuses an empty target, and copies nothing', async () => {
  const source = { DATABRICKS_AUDIT_SOURCE: 's3://audit/logs' };
  expect(await runAgent(['state', 'copy', '--to', ''], source)).toMatchObject({
    code: 2,
    stderr: '--to: expected a directory, dynamodb:// or postgres://, got nothing\n',
  });
});

it('preview refuses an empty path, and does not print the working directory', async () => {
  expect(await runAgent(['preview', ''], {})).toMatchObject({
    code: 2,
    stdout: '',
    stderr: 'ERR_CONFIGURATION: preview: expected a file, - or the URL of a source, got nothing\n',
  });
});
