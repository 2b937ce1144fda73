/**
 * A small run of the benchmark: it works, and the Collector in it does the same work as the agent.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it, onTestFinished, vi } from 'vitest';
import { end } from '../../bench/child.ts';
import { startCollector } from '../../bench/collector.ts';
import { deliveryNames } from '../../bench/deliveries.ts';
import { type Table, writeTables } from '../../bench/report.ts';
import { objectPath, writeObject } from '../../bench/workshop.ts';
import { plainAttributes } from '../../support/otlp-decode.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { shipAll } from './built-agent.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** What the Collector would have to compute. */
const computed = [
  'databricks.audit.outcome',
  'databricks.principal.type',
  'error.type',
  'log.record.uid',
  'user.id',
  'user.name',
  'client.port',
];

// Starts some fifty processes, one after the other: minutes on a busy machine.
it('measures everything, and docs/performance.md has a place for every table', { timeout: 1_200_000 }, async () => {
  const json = join(temporaryDirectory(), 'bench.json');
  const sections = ['mapping', 'whole', 'parts', 'overwrite', 'polls', 'state'].flatMap((name) => ['--only', name]);
  const sizes = ['--lines', '1000', '--rounds', '1', '--state-objects', '10000'];
  await promisify(execFile)(process.execPath, ['test/bench/bench.ts', ...sections, ...sizes, '--json', json], {
    cwd: root,
  });
  const { tables } = JSON.parse(readFileSync(json, 'utf8')) as { readonly tables: readonly Table[] };
  expect(tables.map(({ name }) => name)).toEqual(['mapping', 'whole', 'parts', 'overwrite', 'polls', 'state', 'start']);
  const figures = tables.flatMap(({ rows }) => rows.flatMap((row) => Object.values(row.figures)));
  expect(figures.filter((value) => !Number.isFinite(value))).toEqual([]);
  expect(writeTables(readFileSync(join(root, 'docs/performance.md'), 'utf8'), tables)).toContain(
    '| varied, 3,000 objects |',
  );
});

it.each(deliveryNames)(
  'compares with a Collector that sends the same records of %s, except for what it would have to compute',
  async (delivery) => {
    const source = temporaryDirectory();
    writeObject(objectPath(source, '1'), delivery, { first: 0, count: 50 });
    const [fromAgent, fromCollector] = [await startOtlpReceiver(), await startOtlpReceiver()];
    onTestFinished(async () => void (await Promise.all([fromAgent.close(), fromCollector.close()])));
    await shipAll({
      DATABRICKS_AUDIT_SOURCE: source,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
      OTEL_EXPORTER_OTLP_ENDPOINT: fromAgent.url,
    });
    const job = {
      source,
      delivery,
      receiverUrl: fromCollector.url,
      compression: 'none',
      storage: temporaryDirectory(),
    } as const;
    const collector = startCollector(job, temporaryDirectory());
    onTestFinished(() => end(collector));
    await vi.waitFor(() => expect(fromCollector.accepted).toHaveLength(50), { timeout: 60_000, interval: 50 });
    expect(recordsOf(fromCollector)).toEqual(recordsOf(fromAgent));
  },
);

function recordsOf({ accepted }: OtlpReceiver): object[] {
  return accepted.map(({ body, record, resource }) => {
    const attributes = plainAttributes(record.attributes);
    const { 'client.address': address, 'client.port': port, 'databricks.principal.name': principal } = attributes;
    attributes['user.email'] = principal;
    if (port !== undefined) attributes['client.address'] = `${address}:${port}`;
    for (const name of computed) delete attributes[name];
    return { body, time: record.timeUnixNano, attributes, resource: plainAttributes(resource?.attributes ?? []) };
  });
}
