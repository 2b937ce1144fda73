/**
 * The real process with the system table: whoever looks at metrics, readiness and the summary finds the table that is shipped.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { scrape, urlOf } from '../../support/agent-http.ts';
import { runAgent, startAgent } from '../../support/agent-process.ts';
import { auditRows, type DatabricksWorkspace, startWorkspace } from '../../support/databricks-workspace.ts';
import { receiverForTest } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

let workspace: DatabricksWorkspace;
beforeAll(async () => {
  workspace = await startWorkspace();
});
afterAll(() => workspace.stop());
beforeEach(() => workspace.reset());

it('an agent whose variables name the workspace becomes ready, and its metrics count what it lists', async () => {
  await workspace.insert(auditRows(3));
  const { environment, receiver } = await scene('databricks://');
  const agent = startAgent(['run'], { ...environment, DATABRICKS_AUDIT_HTTP: '127.0.0.1:0' });
  await agent.until('it ships', () => receiver.accepted.length === 3);
  const url = await urlOf(agent);
  await agent.until('it is ready', async () => (await fetch(`${url}/readyz`)).ok);
  const { host } = new URL(workspace.origin);
  const samples = await scrape(url);
  for (const name of ['databricks_audit_objects_listed_total', 'databricks_audit_last_poll_timestamp_seconds']) {
    const found = samples.filter((sample) => sample.name === name);
    expect(found.map(({ labels }) => labels.databricks_audit_source)).toEqual([
      `databricks://${host}/${workspace.warehouseId}`,
    ]);
    expect(found[0]?.value, name).toBeGreaterThan(0);
  }
});

it('two tables of one warehouse are shipped as two sources, in one attempt each', async () => {
  await workspace.insert(auditRows(4));
  for (const [view, ids] of Object.entries({ one: "< 'event-000002'", two: ">= 'event-000002'" }))
    await workspace.sql(`CREATE OR REPLACE VIEW lake.access.${view} AS FROM lake.access.audit WHERE event_id ${ids}`);
  const { environment, receiver } = await scene(
    'databricks://?table=lake.access.one,databricks://?table=lake.access.two',
  );
  const { code, stderr } = await runAgent(['ship'], environment);
  expect(code).toBe(0);
  expect(receiver.accepted).toHaveLength(4);
  expect(stderr).not.toContain('attempts');
});

async function scene(source: string) {
  const receiver = await receiverForTest();
  const environment = {
    ...workspace.environment,
    DATABRICKS_AUDIT_SOURCE: source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_LOOKBACK: '36500d',
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  };
  return { receiver, environment };
}
