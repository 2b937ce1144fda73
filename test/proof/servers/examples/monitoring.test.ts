/**
 * Monitoring of the agent as examples/loki configures it: a real Prometheus scrapes a running agent, every query of the dashboard
 * returns something, and an alert goes through Alertmanager to the receiver. Prometheus comes from Debian's package, as promtool does.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { sampleDelivery, startBuiltAgent } from '../built-agent.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort, startServer } from '../server-process.ts';
import { startAlertReceiver, startExampleAlertmanager } from './alertmanager.ts';
import { environmentOf, exampleDirectory, loadCompose, mountedFile, rewritten, type Service } from './compose.ts';
import { blocksOf, commandsOf } from './guide.ts';

const hasPrometheus = ['prometheus', 'promtool'].every(
  (program) => spawnSync(program, ['--version']).error === undefined,
);

const services = (example: string) => loadCompose(example).services;
const serviceOf = (example: string, name: string): Service => {
  const found = services(example)[name];
  if (found === undefined) throw new Error(`examples/${example} has no service ${name}`);
  return found;
};

const dashboard = z
  .object({
    uid: z.string(),
    panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
  })
  .parse(JSON.parse(readFileSync(join(exampleDirectory('prometheus'), 'dashboard.json'), 'utf8')));

describe.each(['loki', 'elastic'])('the Compose file of %s', (example) => {
  const prometheus = serviceOf(example, 'prometheus');
  const configuration = parse(readFileSync(mountedFile(prometheus, '/etc/prometheus/prometheus.yaml'), 'utf8'));

  test('scrapes the agent by a name that it answers to', () => {
    const [{ static_configs: targets }] = configuration.scrape_configs;
    const [host = '', port = ''] = targets[0].targets[0].split(':');
    expect(services(example)).toHaveProperty(host);
    expect(environmentOf(serviceOf(example, host)).DATABRICKS_AUDIT_HTTP_HOSTS).toBe(host);
    expect(port).toBe('9464');
  });

  test('loads the alerts from where they are mounted', () => {
    for (const file of configuration.rule_files) {
      expect(mountedFile(prometheus, file)).toBe(join(exampleDirectory('prometheus'), 'alerts.yaml'));
    }
  });
});

test('a Prometheus beside Docker or systemd scrapes where the agent listens, and loads the alerts', () => {
  const file = join(exampleDirectory('prometheus'), 'prometheus.yaml');
  const { scrape_configs: jobs, rule_files: rules } = parse(readFileSync(file, 'utf8'));
  expect(jobs[0].static_configs).toEqual([{ targets: ['127.0.0.1:9464'] }]);
  const docker = commandsOf('getting-started-docker').find((command) => command.startsWith('docker run')) ?? '';
  expect(docker).toContain(' --publish 127.0.0.1:9464:9464 ');
  const systemd = globSync('*.{env,service}', { cwd: exampleDirectory('systemd') });
  // The default is port 9464 of 127.0.0.1.
  for (const name of systemd) {
    expect(readFileSync(join(exampleDirectory('systemd'), name), 'utf8')).not.toMatch(/^[^#]*DATABRICKS_AUDIT_HTTP=/m);
  }
  // Prometheus takes paths from the folder of the file.
  expect(rules.map((rule: string) => join(exampleDirectory('prometheus'), rule))).toEqual([
    join(exampleDirectory('prometheus'), 'alerts.yaml'),
  ]);
  if (hasPrometheus) {
    const printed = execFileSync('promtool', ['check', 'config', file], { encoding: 'utf8', stdio: 'pipe' });
    expect(printed).toMatch(/SUCCESS: \d+ rules found/);
  }
});

test('Grafana has the dashboard of the agent, and its data source', () => {
  const grafana = serviceOf('loki', 'grafana');
  const provisioning = mountedFile(grafana, '/etc/grafana/provisioning/dashboards/databricks-audit.yaml');
  const folders = parse(readFileSync(provisioning, 'utf8')).providers.map(
    (provider: { options: { path: string } }) => provider.options.path,
  );
  const target = `${folders[1]}/databricks-audit-otel.json`;
  expect(mountedFile(grafana, target)).toBe(join(exampleDirectory('prometheus'), 'dashboard.json'));
  const datasources = mountedFile(grafana, '/etc/grafana/provisioning/datasources');
  const types = globSync('*.yaml', { cwd: datasources }).map(
    (file) => parse(readFileSync(join(datasources, file), 'utf8')).datasources[0].type,
  );
  expect(types.toSorted()).toEqual(['loki', 'prometheus']);
  const guide = readFileSync(new URL('../../../../docs/alerting.md', import.meta.url), 'utf8');
  expect(guide).toContain(`http://localhost:3000/d/${dashboard.uid}>`);
});

test("Alertmanager accepts the guide's routes, Prometheus the rest", () => {
  const [scrape = '', rules = '', routes = ''] = blocksOf('alerting', 'yaml');
  const write = (text: string) => {
    const file = join(temporaryDirectory(), 'configuration.yaml');
    writeFileSync(file, text);
    return file;
  };
  execFileSync(join(serverDirectory('alertmanager'), 'amtool'), ['check-config', write(routes)], { stdio: 'pipe' });
  const alerts = join(exampleDirectory('prometheus'), 'alerts.yaml');
  const configuration = write(`${scrape}${rules.replace('/etc/prometheus/databricks-audit-alerts.yaml', alerts)}`);
  if (hasPrometheus) execFileSync('promtool', ['check', 'config', configuration], { stdio: 'pipe' });
});

test('Alertmanager suppresses a low alert for a critical one of the same principal only', async () => {
  const url = await startExampleAlertmanager(serviceOf('loki', 'alertmanager'), 'http://127.0.0.1:9');
  const alerts = [
    { alertname: 'DatabricksAuditAgentAbsent', severity: 'critical' },
    { alertname: 'Databricks Audit Record Not Parsed', severity: 'low' },
    { alertname: 'Critical of ana', severity: 'critical', databricks_principal_name: 'ana@example.com' },
    { alertname: 'Low of ana', severity: 'low', databricks_principal_name: 'ana@example.com' },
    { alertname: 'Low of bob', severity: 'low', databricks_principal_name: 'bob@example.com' },
  ];
  const sent = await fetch(`${url}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(alerts.map((labels) => ({ labels }))),
  });
  expect(sent.status, await sent.text()).toBe(200);
  const state = z.array(
    z.object({ labels: z.object({ alertname: z.string() }), status: z.object({ state: z.string() }) }),
  );
  const suppressed = async () => {
    const all = state.parse(await (await fetch(`${url}/api/v2/alerts`)).json());
    expect(all.map(({ status }) => status.state)).not.toContain('unprocessed');
    return all.filter(({ status }) => status.state === 'suppressed').map(({ labels }) => labels.alertname);
  };
  await expect.poll(suppressed).toEqual(['Low of ana']);
});

describe.skipIf(!hasPrometheus)('a real Prometheus', () => {
  test('scrapes the agent, and answers each query of the dashboard', async () => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.close());
    const port = await freePort();
    const agent = startBuiltAgent(['run'], {
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(),
      DATABRICKS_AUDIT_HTTP: `0.0.0.0:${port}`,
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    });
    const { url } = await startExamplePrometheus(`127.0.0.1:${port}`, 'http://127.0.0.1:9');
    await expect.poll(() => receiver.accepted.length, { timeout: 60_000 }).toBe(15);
    const [curl = ''] = commandsOf('alerting').filter((command) => command.startsWith('curl'));
    const asked = () =>
      JSON.parse(execFileSync('bash', ['-c', curl.replace('http://localhost:9090', url)], { encoding: 'utf8' }));
    await expect.poll(() => asked().data.result[0]?.value[1], { timeout: 60_000 }).toBe('15');
    const empty = async () => {
      const titles: string[] = [];
      for (const { title, targets } of dashboard.panels) {
        for (const { expr } of targets) {
          const rows = await ask(url, filledIn(expr));
          if (rows.length === 0) titles.push(title);
        }
      }
      return titles;
    };
    // A rate needs two samples. Nothing was sent again, so that panel stays empty.
    await expect.poll(empty, { timeout: 60_000, interval: 1_000 }).toEqual(['Requests sent again']);
    await agent.stop();
  });

  test('tells the receiver that no agent runs', async () => {
    const receiver = await startAlertReceiver(serviceOf('loki', 'alert-receiver'));
    const alertmanager = await startExampleAlertmanager(serviceOf('loki', 'alertmanager'), receiver.url);
    await startExamplePrometheus(`127.0.0.1:${await freePort()}`, alertmanager);
    const guide = readFileSync(new URL('../../../../docs/alerting.md', import.meta.url), 'utf8');
    const [, expected = ''] = /The alert is `(.*)`/.exec(guide) ?? [];
    expect(expected).not.toBe('');
    await expect.poll(() => receiver.output(), { timeout: 120_000, interval: 500 }).toContain(expected);
  });
});

/** With rules that fire at once, so that the test need not wait for ten minutes. */
async function startExamplePrometheus(agentAddress: string, alertmanagerUrl: string) {
  const prometheus = serviceOf('loki', 'prometheus');
  const rules = readFileSync(mountedFile(prometheus, '/etc/prometheus/alerts.yaml'), 'utf8');
  const quick = rewritten(
    mountedFile(prometheus, '/etc/prometheus/alerts.yaml'),
    Object.fromEntries([...new Set(rules.match(/ for: \w+/g) ?? [])].map((text) => [text, ' for: 0s'])),
  );
  const port = await freePort();
  const configuration = rewritten(mountedFile(prometheus, '/etc/prometheus/prometheus.yaml'), {
    'agent:9464': agentAddress,
    '/etc/prometheus/alerts.yaml': quick,
    'alertmanager:9093': new URL(alertmanagerUrl).host,
    ': 15s': ': 1s',
  });
  execFileSync('promtool', ['check', 'config', configuration], { stdio: 'pipe' });
  const url = `http://127.0.0.1:${port}`;
  await startServer({
    command: 'prometheus',
    arguments: [
      `--config.file=${configuration}`,
      `--storage.tsdb.path=${temporaryDirectory()}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    readyUrl: `${url}/-/ready`,
  });
  return { url };
}

/** As Grafana does it, with everything selected. */
function filledIn(expression: string): string {
  const values: Record<string, string> = { job: '.*', instance: '.*', __rate_interval: '1m' };
  return expression.replaceAll(/\$(\w+)/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the variable ${name} is not known`);
    return value;
  });
}

async function ask(url: string, query: string): Promise<readonly unknown[]> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`Prometheus answered ${response.status} to ${query}: ${text}`);
  return JSON.parse(text).data.result;
}
