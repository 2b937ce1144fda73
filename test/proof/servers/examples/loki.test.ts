/**
 * examples/loki from its own files: the agent, the Collector and Loki as the compose file configures them, and each panel of the
 * dashboard against that Loki.
 */
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery } from '../built-agent.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, startServer } from '../server-process.ts';
import { startAlertReceiver, startExampleAlertmanager } from './alertmanager.ts';
import {
  configurationOf,
  environmentOf,
  exampleDirectory,
  loadCompose,
  mountedFile,
  rewritten,
  startExampleCollector,
  validateCollector,
} from './compose.ts';
import { commandsOf, linesOf as linesOfGuide, runCommand } from './guide.ts';

const { services } = loadCompose('loki');
const { agent, collector, loki, grafana } = services;
if (!agent || !collector || !loki || !grafana) throw new Error('a service is missing in examples/loki/compose.yaml');

const panel = z.object({
  title: z.string(),
  type: z.string(),
  targets: z.array(z.object({ expr: z.string(), queryType: z.enum(['instant', 'range']) })).default([]),
});
const dashboardFile = join(exampleDirectory('loki'), 'grafana/dashboards/databricks-audit.json');
const dashboard = z
  .object({
    panels: z.array(panel),
    templating: z.object({ list: z.array(z.object({ name: z.string(), allValue: z.string().optional() })) }),
  })
  .parse(JSON.parse(readFileSync(dashboardFile, 'utf8')));

/** The time range of the sample delivery, except for its two records of 2018. */
const days = { from: '2026-01-30T00:00:00Z', to: '2026-02-01T00:00:00Z', range: '2d' };

test('the Collector accepts its file', () => {
  validateCollector('collector', configurationOf(collector));
});

describe('Grafana', () => {
  test('finds Loki, and the folder of the dashboards', () => {
    const datasources = mountedFile(grafana, '/etc/grafana/provisioning/datasources');
    const [datasource] = parse(readFileSync(join(datasources, 'loki.yaml'), 'utf8')).datasources;
    expect(datasource).toMatchObject({ uid: 'loki', type: 'loki', url: 'http://loki:3100' });
    const provisioning = mountedFile(grafana, '/etc/grafana/provisioning/dashboards/databricks-audit.yaml');
    const [provider] = parse(readFileSync(provisioning, 'utf8')).providers;
    const dashboards = mountedFile(grafana, provider.options.path);
    const files = globSync('*.json', { cwd: dashboards }).toSorted();
    expect(files).toEqual([basename(dashboardFile), 'databricks-detections.json']);
    expect(environmentOf(grafana).GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH).toBe(
      join(provider.options.path, basename(dashboardFile)),
    );
  });

  test('has a panel for each typical question about audit logs', () => {
    const titles = dashboard.panels.map(({ title }) => title);
    for (const word of [
      'Who',
      'What',
      'From where',
      'Failed',
      'administrators',
      'data',
      'Secrets',
      'Tokens',
      'delay',
    ]) {
      expect(
        titles.some((title) => title.includes(word)),
        word,
      ).toBe(true);
    }
  });
});

test('the sample delivery arrives once, and each panel of the dashboard has something to show', async () => {
  const url = await startExampleLoki();
  const { url: collectorUrl, sentCount } = await startExampleCollector('collector', configurationOf(collector), {
    'http://loki:3100': url,
    '/var/lib/otelcol': temporaryDirectory(),
  });
  const environment = environmentOf(agent);
  expect(mountedFile(agent, environment.DATABRICKS_AUDIT_SOURCE ?? '')).toBe(sampleDelivery);
  const ship = () =>
    runBuiltAgent(['ship'], {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(), // So the second run repeats everything, as a crash repeats a part.
      OTEL_EXPORTER_OTLP_ENDPOINT:
        environment.OTEL_EXPORTER_OTLP_ENDPOINT?.replace('http://collector:4318', collectorUrl) ?? '',
    });
  expect(await ship()).toMatchObject({ code: 0 });
  expect(await ship()).toMatchObject({ code: 0 });

  await expect.poll(sentCount, { timeout: 60_000 }).toBe(30);
  await expect.poll(() => linesOf(url, '2018-01-01T00:00:00Z', '2018-02-01T00:00:00Z'), { timeout: 60_000 }).toBe(2);
  await expect.poll(() => linesOf(url, days.from, days.to), { timeout: 60_000 }).toBe(13);

  const [curl = ''] = commandsOf('getting-started-loki').filter((command) => command.startsWith('curl'));
  const { data } = JSON.parse(runCommand(curl, 'examples/loki', 'http://localhost:3100', url));
  expect(data.result.map((stream: { values: unknown[] }) => stream.values.length)).toEqual([1]);
  const queries = linesOfGuide('getting-started-loki', 'logql');
  expect(queries).toHaveLength(3);
  for (const query of queries) await ask(url, query, 'range');

  const empty: string[] = [];
  for (const { title, targets } of dashboard.panels) {
    for (const { expr, queryType } of targets) {
      const rows = await ask(url, filledIn(expr), queryType);
      if (rows.length === 0) empty.push(`${title}: ${expr}`);
    }
  }
  expect(empty).toEqual([]);
  expect(dashboard.panels.flatMap(({ targets }) => targets).length).toBeGreaterThan(14);
});

test('each panel of the dashboard of detections can be asked, and the values of the other one are taken whole', async () => {
  const url = await startExampleLoki();
  const send = (name: string) =>
    fetch(`${url}/otlp/v1/logs`, { ...jsonPost, body: suspiciousEvent(name, '2026-01-30T12:00:00Z') });
  for (const name of ['ana@example.com', 'xana@example.com', 'ana@example.com.evil', '12', '1'])
    expect((await send(name)).ok).toBe(true);
  const dashboardOfRules = z
    .object({ panels: z.array(panel) })
    .parse(
      JSON.parse(readFileSync(join(exampleDirectory('loki'), 'grafana/dashboards/databricks-detections.json'), 'utf8')),
    );
  const rows = new Map<string, number>();
  for (const { expr, queryType } of dashboardOfRules.panels.flatMap(({ targets }) => targets)) {
    rows.set(expr, (await ask(url, filledIn(expr), queryType)).length);
  }
  expect(rows.size).toBeGreaterThan(50);
  const found = [...rows].filter(([, count]) => count > 0).map(([expr]) => /"rule", "([a-z-]+)"/.exec(expr)?.[1]);
  expect(found.filter((rule) => rule !== undefined).toSorted()).toEqual([
    'access-to-many-workspaces',
    'verbose-audit-logs-disabled',
    'workspace-configuration-edited',
  ]);
  const [byPrincipal = ''] = dashboard.panels
    .flatMap(({ targets }) => targets.map(({ expr }) => expr))
    .filter((expr) => expr.startsWith('topk(25, sum by (databricks_principal_name'));
  const whoIsFound = async (principal: string) =>
    (await ask(url, filledIn(byPrincipal, { principal }), 'instant'))
      .map((series) => (series as { metric: { databricks_principal_name: string } }).metric.databricks_principal_name)
      .toSorted();
  expect(await whoIsFound('ana@example.com')).toEqual(['ana@example.com']);
  expect(await whoIsFound('ana@example.com|1')).toEqual(['1', 'ana@example.com']);
  expect(await whoIsFound('1|12')).toEqual(['1', '12']);
  expect(await whoIsFound('.*')).toHaveLength(5);
});

test("the guide's event raises an alert, which Alertmanager routes to the pager", async () => {
  const { alertmanager, 'alert-receiver': alertReceiver } = services;
  if (!alertmanager || !alertReceiver) throw new Error('unreachable');
  const receiver = await startAlertReceiver(alertReceiver);
  const alertmanagerUrl = await startExampleAlertmanager(alertmanager, receiver.url);
  const url = await startExampleLoki(alertmanagerUrl);
  const [send = ''] = commandsOf('getting-started-loki').filter((command) => command.startsWith('sed '));
  runCommand(send, 'examples/loki', 'http://localhost:3100', url);
  await expect
    .poll(() => receiver.output(), { timeout: 120_000, interval: 500 })
    .toContain(
      'firing critical verbose-audit-logs-disabled Databricks Verbose Audit Logs Disabled: somebody@example.com from 203.0.113.66 in workspace 1234567890123456',
    );
});

const jsonPost = { method: 'POST', headers: { 'content-type': 'application/json' } } as const;

/** As the guide sends it, of another principal and time. */
function suspiciousEvent(principal: string, time: string): string {
  const file = join(exampleDirectory('loki'), 'suspicious-event.json');
  return readFileSync(file, 'utf8')
    .replace('NOW', `${Date.parse(time)}000000`)
    .replace('somebody@example.com', principal);
}

/** With the pack that the compose file mounts, evaluated every five seconds instead of every five minutes. */
async function startExampleLoki(alertmanagerUrl = 'http://127.0.0.1:9'): Promise<string> {
  if (loki === undefined) throw new Error('unreachable');
  const data = temporaryDirectory();
  const rules = temporaryDirectory();
  mkdirSync(join(rules, 'fake'));
  const pack = readFileSync(mountedFile(loki, '/etc/loki/rules/fake/databricks-audit.yaml'), 'utf8');
  writeFileSync(join(rules, 'fake/databricks-audit.yaml'), pack.replaceAll(/interval: \w+/g, 'interval: 5s'));
  const [port, grpcPort] = [await freePort(), await freePort()];
  const configuration = rewritten(configurationOf(loki), {
    'http_listen_port: 3100': `http_listen_address: 127.0.0.1\n  http_listen_port: ${port}`,
    'grpc_listen_address: 127.0.0.1': `grpc_listen_address: 127.0.0.1\n  grpc_listen_port: ${grpcPort}`,
    'path_prefix: /loki': `path_prefix: ${data}`,
    '_directory: /loki/': `_directory: ${data}/`,
    'directory: /etc/loki/rules': `directory: ${rules}`,
    'rule_path: /loki/': `rule_path: ${data}/`,
    'http://alertmanager:9093': alertmanagerUrl,
  });
  const url = `http://127.0.0.1:${port}`;
  await startServer({
    command: join(serverDirectory('loki'), 'loki'),
    arguments: [`-config.file=${configuration}`],
    readyUrl: `${url}/ready`,
  });
  return url;
}

/** As Grafana does it, with everything selected. */
function filledIn(expression: string, chosen: Readonly<Record<string, string>> = {}): string {
  const variables: Record<string, string> = {
    ...{ workspace: '.+', principal: '.*', __range: days.range, __auto: '1h' },
    ...chosen,
  };
  return expression.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = variables[name];
    if (value === undefined) throw new Error(`the variable ${name} is not known`);
    return value;
  });
}

async function ask(url: string, query: string, type: 'instant' | 'range'): Promise<readonly unknown[]> {
  const time = type === 'instant' ? { time: days.to } : { start: days.from, end: days.to, step: '1h', limit: '1000' };
  const path = type === 'instant' ? 'query' : 'query_range';
  const response = await fetch(`${url}/loki/api/v1/${path}?${new URLSearchParams({ query, ...time })}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`Loki answered ${response.status} to ${query}: ${text}`);
  return JSON.parse(text).data.result;
}

async function linesOf(url: string, start: string, end: string): Promise<number> {
  const query = '{service_name="databricks"}';
  const parameters = new URLSearchParams({ query, start, end, limit: '1000' });
  const response = await fetch(`${url}/loki/api/v1/query_range?${parameters}`);
  const { data } = (await response.json()) as { data: { result: { values: unknown[] }[] } };
  return data.result.reduce((sum, { values }) => sum + values.length, 0);
}
