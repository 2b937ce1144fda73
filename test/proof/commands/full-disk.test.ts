/**
 * What commands do if standard output is a file on a full disk. Real processes, because only they have one.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const cli = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));
const sample = fileURLToPath(new URL('../../../examples/sample-delivery/delivered/', import.meta.url));
/** Linux has a file that is always full. */
const fullDisk = '/dev/full';

describe.skipIf(!existsSync(fullDisk))('on a full disk', () => {
  it.each([
    ['detections', '--format', 'loki'],
    ['preview', sample],
  ])('%s says that standard output cannot be written and ends with 1', (...commandLine) => {
    const { status, stderr } = runOnFullDisk(commandLine);
    expect({ status, lines: stderr.trimEnd().split('\n') }).toEqual({
      status: 1,
      lines: [
        expect.stringMatching(/^ERR_EXPORT_UNAVAILABLE: Could not write to standard output: ENOSPC: /),
        expect.stringMatching(/^Free space /),
      ],
    });
  });

  it('ship takes a record that was not written for one that was not shipped', () => {
    const { status, stderr } = runOnFullDisk(['ship', sample]);
    expect(status).toBe(1);
    expect(stderr).toContain('"code":"ERR_EXPORT_UNAVAILABLE","hint":"Free space ');
    expect(stderr).toContain('not read completely: ');
    expect(stderr).not.toContain('node:internal');
  });
});

function runOnFullDisk(commandLine: readonly string[]) {
  const stdout = openSync(fullDisk, 'w');
  onTestFinished(() => closeSync(stdout));
  return spawnSync(process.execPath, [cli, ...commandLine], {
    env: {
      PATH: process.env.PATH,
      OTEL_LOGS_EXPORTER: 'console',
      DATABRICKS_AUDIT_STATE: join(temporaryDirectory(), 'state'),
    },
    stdio: ['ignore', stdout, 'pipe'],
    encoding: 'utf8',
  });
}
