/**
 * The credentials for a Databricks workspace appear nowhere: not in logs, messages, the state or standard output, whatever the workspace
 * answers, also if it echoes them.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { runAgent } from '../../support/agent-process.ts';
import { auditRows, type DatabricksWorkspace, startWorkspace } from '../../support/databricks-workspace.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const secret = 'the-secret-of-the-client';
const token = 'dapi-0123456789abcdef';

let workspace: DatabricksWorkspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace.stop());
beforeEach(() => workspace.reset());

it.each<[string, (workspace: DatabricksWorkspace) => unknown, number]>([
  ['accepts them', () => {}, 0],
  ['refuses the secret', ({ settings }) => Object.assign(settings, { clientSecret: 'renewed' }), 1],
  ['echoes them', (to) => to.fail({ match: 'POST /api', status: 403, message: `no: Bearer ${token}, ${token}` }), 1],
  ['refuses every token', (to) => to.fail({ match: 'POST /api', status: 401, message: `bad token ${token}` }), 1],
])('a workspace that %s', async (_name, change, checkCode) => {
  await workspace.insert(auditRows(3));
  await change(workspace);
  for (const credentials of [{}, { DATABRICKS_AUTH_TYPE: 'pat', DATABRICKS_TOKEN: token }]) {
    const stateDirectory = temporaryDirectory();
    const environment = {
      ...workspace.environment,
      ...credentials,
      DATABRICKS_AUDIT_SOURCE: 'databricks://',
      DATABRICKS_AUDIT_STATE: stateDirectory,
      OTEL_LOGS_EXPORTER: 'console',
      OTEL_LOG_LEVEL: 'all',
    };
    const check = await runAgent(['check'], environment);
    const ship = await runAgent(['ship'], environment);
    if (!('DATABRICKS_TOKEN' in credentials)) expect(check.code, check.stdout).toBe(checkCode);
    const written = filesBelow(stateDirectory).map((file) => readFileSync(file, 'latin1'));
    for (const output of [check.stdout, check.stderr, ship.stdout, ship.stderr, ...written]) {
      expect(output).not.toContain(secret);
      expect(output).not.toContain(token);
    }
  }
});

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}
