/**
 * What `run` and `ship` log about DATABRICKS_AUDIT_START. What `check` says of it is in test/tools/check-start.test.ts.
 */
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { expect, it } from 'vitest';
import type { CommandContext } from '../../src/commands/command.ts';
import { run } from '../../src/commands/run.ts';
import { ship } from '../../src/commands/ship.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

it.each([
  ['run', '9999-12-31', 1, run],
  ['run', '2026-01-31', 0, run],
  ['ship', '9999-12-31', 1, (context: CommandContext) => ship([], context)],
  ['ship', 'earliest', 0, (context: CommandContext) => ship([], context)],
] as const)('%s with the start %s warns once if that is in the future', async (_, start, warningCount, command) => {
  const directory = temporaryDirectory();
  const stopping = new AbortController();
  let log = '';
  const stderr = new Writable({
    write(chunk, _encoding, done) {
      log += chunk;
      // A source that was listed, here without a delivery.
      if (log.includes('ERR_SOURCE_EMPTY')) stopping.abort(new Error('the test is over'));
      done();
    },
  });
  await command({
    environment: {
      DATABRICKS_AUDIT_SOURCE: directory,
      DATABRICKS_AUDIT_STATE: join(temporaryDirectory(), 'state'),
      DATABRICKS_AUDIT_START: start,
      DATABRICKS_AUDIT_HTTP: 'off',
      OTEL_LOGS_EXPORTER: 'console',
    },
    stdin: process.stdin,
    stdout: new PassThrough() as unknown as NodeJS.WriteStream,
    stderr: stderr as unknown as NodeJS.WriteStream,
    stop: stopping.signal,
  });
  const warnings = log.split('\n').filter((line) => line.includes('DATABRICKS_AUDIT_START is in the future'));
  expect(warnings).toHaveLength(warningCount);
  for (const warning of warnings)
    expect(JSON.parse(warning)).toMatchObject({ level: 'warn', hint: expect.any(String) });
});
