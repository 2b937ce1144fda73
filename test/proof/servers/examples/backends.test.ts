/**
 * examples/backends from their own files, against real servers that ask for credentials: a Collector that authenticates requests
 * stands for the endpoints of Grafana Cloud and Elastic Cloud, Loki has tenants, and Elasticsearch is behind a proxy that wants an
 * API key.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, globSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { variables } from '../../../../src/config/variables.ts';
import type { Environment } from '../../../support/agent-process.ts';
import { answers, startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery, shipAll, startBuiltAgent } from '../built-agent.ts';
import { startCollector } from '../collector.ts';
import { dataStream, type Elasticsearch, startElasticCollector, startElasticsearch } from '../elasticsearch.ts';
import { type Loki, recommendedLimits, startLoki } from '../loki.ts';
import { freePort } from '../server-process.ts';
import {
  type ExampleCollector,
  exampleDirectory,
  ofOlderVersion,
  startExampleCollector,
  withoutQueueOnDisk,
} from './compose.ts';
import { commandsOf } from './guide.ts';
import { helmTemplate, kustomize, type Resources, validateResources } from './kubernetes-tools.ts';

const directory = exampleDirectory('backends');
const backends = ['elastic-cloud', 'elasticsearch-api-key', 'grafana-cloud', 'loki-tenant'];
const file = (backend: string, name: string) => join(directory, backend, name);

/** What a user has; nothing here is real. */
const token = 'glc_example';
const basic = `Basic ${btoa(`123456:${token}`)}`;
const apiKey = 'VnVhQ2ZHY0JDZGJrU==';
const tenant = 'audit';

test('each backend has a folder', () => {
  expect(
    globSync('*/collector.yaml', { cwd: directory })
      .map((path) => path.split('/')[0])
      .toSorted(),
  ).toEqual(backends);
});

describe('directly', () => {
  test('to Grafana Cloud, with the header that the guide computes', async () => {
    const { loki, url } = await grafanaCloud();
    const header = computedHeader();
    await expectAccepted(agentOf('grafana-cloud', `${url}/otlp`, header));
    expect(await linesIn(loki)).toBe(15);
  });

  test('to Elastic Cloud', async () => {
    const { elasticsearch, url } = await elasticCloud();
    const header = agentHeader('elastic-cloud').replace('REPLACE_ME', encodeURIComponent(apiKey));
    await expectAccepted(agentOf('elastic-cloud', url, header));
    expect(await documentsIn(elasticsearch)).toBe(15);
  });

  test('to a tenant of Loki, where reconcile finds every line', async () => {
    const loki = await lokiWithTenants();
    const environment = agentOf('loki-tenant', loki.otlpUrl, agentHeader('loki-tenant'));
    await expectAccepted(environment);
    expect(await linesIn(loki, tenant)).toBe(15);
    expect(await linesIn(loki, 'another')).toBe(0);
    const [command = ''] = commandsOf('credentials').filter((each) => each.includes(' reconcile '));
    const words = command.replace('http://loki:3100', loki.url).split(' ').slice(1);
    const reconciled = await runBuiltAgent(words, environment);
    expect(reconciled, reconciled.stderr).toMatchObject({ code: 0 });
    const withoutTenant = await runBuiltAgent(words, { ...environment, DATABRICKS_AUDIT_AGAINST_HEADERS: '' });
    expect(withoutTenant).toMatchObject({ code: 1 });
  });

  test.each([
    ['grafana-cloud', 'a wrong token', `authorization=Basic%20${encodeURIComponent(btoa('123456:wrong-secret'))}`],
    ['grafana-cloud', 'no header', ''],
  ])('to %s with %s: check says so without the secret, and nothing is accepted', async (backend, _, header) => {
    const { loki, url } = await grafanaCloud();
    const check = await runBuiltAgent(['check'], agentOf(backend, `${url}/otlp`, header));
    expect(check.code).toBe(1);
    expect(check.stdout).toContain('401');
    expect(check.stdout).toContain('OTEL_EXPORTER_OTLP_HEADERS');
    expect(check.stdout + check.stderr).not.toContain('wrong-secret');
    expect(check.stdout + check.stderr).not.toContain(btoa('123456:wrong-secret'));
    expect(await linesIn(loki)).toBe(0);
  });

  test('to Loki without a tenant: check says so', async () => {
    const loki = await lokiWithTenants();
    const check = await runBuiltAgent(['check'], agentOf('loki-tenant', loki.otlpUrl, ''));
    expect(check.code).toBe(1);
    expect(check.stdout).toContain('401');
  });
});

describe('through a Collector', () => {
  test('to Grafana Cloud', async () => {
    const { loki, url } = await grafanaCloud();
    await shipThrough('grafana-cloud', {
      GRAFANA_CLOUD_OTLP_ENDPOINT: `${url}/otlp`,
      GRAFANA_CLOUD_AUTHORIZATION: basic,
    });
    await expect.poll(() => linesIn(loki), { timeout: 60_000 }).toBe(15);
  });

  test('to Elastic Cloud', async () => {
    const { elasticsearch, url } = await elasticCloud();
    await shipThrough('elastic-cloud', {
      ELASTIC_CLOUD_OTLP_ENDPOINT: url,
      ELASTIC_CLOUD_AUTHORIZATION: `ApiKey ${apiKey}`,
    });
    await expect.poll(() => documentsIn(elasticsearch), { timeout: 60_000 }).toBe(15);
  });

  test('to a tenant of Loki', async () => {
    const loki = await lokiWithTenants();
    await shipThrough('loki-tenant', { LOKI_URL: loki.otlpUrl, LOKI_TENANT: tenant });
    await expect.poll(() => linesIn(loki, tenant), { timeout: 60_000 }).toBe(15);
  });

  test('to Elasticsearch with an API key', async () => {
    const elasticsearch = await startElasticsearch();
    const { url } = await startProxy(elasticsearch.url, () => `ApiKey ${apiKey}`);
    await shipThrough('elasticsearch-api-key', { ELASTICSEARCH_URL: url, ELASTICSEARCH_API_KEY: apiKey });
    await expect.poll(() => documentsIn(elasticsearch), { timeout: 60_000 }).toBe(15);
  });

  test('to Elasticsearch with a key that is refused for a while: the Collector loses nothing', async () => {
    const elasticsearch = await startElasticsearch();
    let valid = 'another';
    const { url, refusedCount } = await startProxy(elasticsearch.url, () => `ApiKey ${valid}`);
    await shipThrough('elasticsearch-api-key', { ELASTICSEARCH_URL: url, ELASTICSEARCH_API_KEY: apiKey });
    await expect.poll(refusedCount, { timeout: 60_000 }).toBeGreaterThan(1);
    expect(await documentsIn(elasticsearch)).toBe(0);
    valid = apiKey;
    await expect.poll(() => documentsIn(elasticsearch), { timeout: 240_000 }).toBe(15);
  });

  test.each([
    ['grafana-cloud', { GRAFANA_CLOUD_AUTHORIZATION: 'Basic wrong-secret' }],
    ['loki-tenant', { LOKI_TENANT: '' }],
  ])(
    'to %s with wrong credentials: the Collector has accepted nothing, and the agent says why',
    async (backend, wrong) => {
      const { loki, url } = backend === 'grafana-cloud' ? await grafanaCloud() : await lokiAsUrl();
      const collector = await startOf(backend, {
        GRAFANA_CLOUD_OTLP_ENDPOINT: `${url}/otlp`,
        LOKI_URL: `${url}/otlp`,
        ...wrong,
      });
      const agent = startBuiltAgent(['run'], { ...agentThrough(backend, collector.url), DATABRICKS_AUDIT_HTTP: 'off' });
      await expect.poll(() => agent.stderr, { timeout: 60_000 }).toContain('ERR_EXPORT_MISCONFIGURED');
      expect(agent.stderr).not.toContain('wrong-secret');
      expect(await linesIn(loki, backend === 'loki-tenant' ? tenant : undefined)).toBe(0);
      await agent.stop();
    },
  );
});

test('with a queue, a Collector drops what it has acknowledged when the backend answers 401; so the examples have none', async () => {
  const backend = await startOtlpReceiver();
  onTestFinished(() => backend.close());
  const renew = backend.answerWhen(() => true, answers.status(401, 'expired'));
  const retry_on_failure = { enabled: true, max_elapsed_time: 0 };
  const collector = await startCollector({ exporters: { otlp_http: { endpoint: backend.url, retry_on_failure } } });
  await shipAll(agentThrough('grafana-cloud', collector.url));
  const dropped = () => collector.metric('otelcol_exporter_send_failed_log_records');
  await expect.poll(dropped, { timeout: 60_000 }).toBe(15);
  renew();
  expect(await collector.metric('otelcol_exporter_queue_size')).toBe(0);
  expect(backend.accepted).toEqual([]);
});

describe.each(backends)('on Kubernetes, %s', (backend) => {
  test('the overlay is valid when it is copied, and its Collector gets what its file refers to', () => {
    const copy = temporaryDirectory();
    const [command = ''] = commandsOf('credentials').filter((each) => each.startsWith('cp '));
    const target = join(copy, command.split(' ').at(-1) ?? '');
    cpSync(fileURLToPath(new URL('..', `file://${directory}`)), target, { recursive: true });
    const resources = kustomize(join(target, 'backends', backend));
    validateResources(resources);
    const collector = resources.container('collector');
    const text = readFileSync(file(backend, 'collector.yaml'), 'utf8');
    const { name = '' } =
      resources.workload().spec.template.spec.volumes.find((volume) => volume.configMap !== undefined)?.configMap ?? {};
    expect(resources.configMapOf(name)['collector.yaml']).toBe(text);
    const referred = [...text.matchAll(/\$\{env:(\w+)\}/g)].map(([, variable = '']) => variable);
    const inSecret = referred.filter((variable) => !(variable in resources.environmentOf(collector)));
    expect(collector.envFrom.map(({ secretRef }) => secretRef?.name)).toContain('collector-credentials');
    const guide = readFileSync(new URL('../../../../docs/credentials.md', import.meta.url), 'utf8');
    for (const variable of inSecret) expect(guide).toContain(`\`${variable}\``);
    expect(inSecret).toHaveLength(backend === 'loki-tenant' ? 0 : 1);
  });

  test.runIf(existsSync(file(backend, 'values.yaml')))('the chart takes its values', () => {
    const resources = helmTemplate(['--values', file(backend, 'values.yaml')]);
    validateResources(resources);
    const agent = resources.container('agent');
    const environment = resources.environmentOf(agent);
    const direct = parseEnv(readFileSync(file(backend, 'agent.env'), 'utf8'));
    expect(environment.DATABRICKS_AUDIT_MAPPING).toBe(direct.DATABRICKS_AUDIT_MAPPING);
    const hasHeader = 'OTEL_EXPORTER_OTLP_HEADERS' in environment || agent.envFrom.length > 0;
    expect(hasHeader).toBe(true);
    // The same placeholders as those of the overlay.
    const overlay = kustomize(join(directory, backend));
    expect(agent.image).toBe(overlay.container('agent').image);
    expect(agent.image).toMatch(/^registry\.example\.com\//);
    const annotationsOf = (of: Resources) => of.find('ServiceAccount')[0].metadata.annotations;
    expect(annotationsOf(resources)).toEqual(annotationsOf(overlay));
  });
});

test.each(globSync('*/agent.env', { cwd: directory }))('%s sets only variables that the agent knows', (path) => {
  const names = Object.keys(parseEnv(readFileSync(join(directory, path), 'utf8')));
  expect(names.filter((name) => !(name in variables))).toEqual([]);
});

async function expectAccepted(environment: Environment): Promise<void> {
  const check = await runBuiltAgent(['check'], environment);
  expect(check, check.stdout).toMatchObject({ code: 0 });
  await shipAll(environment);
}

/** The environment of the file, with a source, a state, the address of a server here, and a header. */
function agentOf(backend: string, endpoint: string, header: string): Environment {
  const given = parseEnv(readFileSync(file(backend, 'agent.env'), 'utf8'));
  return {
    ...Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value ?? ''])),
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    OTEL_EXPORTER_OTLP_HEADERS: header,
  };
}

function agentHeader(backend: string): string {
  return parseEnv(readFileSync(file(backend, 'agent.env'), 'utf8')).OTEL_EXPORTER_OTLP_HEADERS ?? '';
}

/** Runs the commands of the guide. */
function computedHeader(): string {
  const [assign = '', print = ''] = commandsOf('credentials').filter((each) => /^(INSTANCE_ID|printf)/.test(each));
  expect(assign).toContain(token);
  const printed = execFileSync('bash', ['-c', `${assign}\n${print}`], { encoding: 'utf8' });
  const header = /^OTEL_EXPORTER_OTLP_HEADERS=(.*)\n$/.exec(printed)?.[1] ?? '';
  expect(header.startsWith(agentHeader('grafana-cloud').replace('REPLACE_ME', ''))).toBe(true);
  return header;
}

async function shipThrough(backend: string, environment: Readonly<Record<string, string>>): Promise<void> {
  const collector = await startOf(backend, environment);
  await shipAll(agentThrough(backend, collector.url));
}

function agentThrough(backend: string, url: string): Environment {
  return {
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_MAPPING: backend.startsWith('elastic') ? 'databricks-audit,elastic' : 'databricks-audit,loki',
    OTEL_EXPORTER_OTLP_ENDPOINT: url,
  };
}

/** The Collector of the example. */
async function startOf(backend: string, environment: Readonly<Record<string, string>>): Promise<ExampleCollector> {
  const original = file(backend, 'collector.yaml');
  const isElastic = backend === 'elasticsearch-api-key';
  return startExampleCollector(
    isElastic ? 'collector-elastic' : 'collector',
    isElastic ? withoutQueueOnDisk(original) : original,
    isElastic ? {} : { '0.0.0.0:13133': `127.0.0.1:${await freePort()}` },
    { environment, settings: isElastic ? ofOlderVersion : [], addressVariable: 'OTLP_ADDRESS' },
  );
}

/** A Collector that answers as its backend does, and asks for an authorization header. */
async function authenticating(authorization: string, backendUrl: string, logsPath?: string): Promise<string> {
  const [scheme = '', secret = ''] = authorization.split(/ (.*)/s, 2);
  const { url } = await startCollector({
    extensions: { bearertokenauth: { scheme, token: secret } },
    exporters: {
      otlp_http: {
        endpoint: backendUrl,
        sending_queue: { enabled: false },
        retry_on_failure: { enabled: false },
      },
    },
    receiver: {
      auth: { authenticator: 'bearertokenauth' },
      ...(logsPath === undefined ? {} : { logs_url_path: logsPath }),
    },
  });
  return url;
}

async function grafanaCloud(): Promise<{ readonly loki: Loki; readonly url: string }> {
  const loki = await startLoki(recommendedLimits);
  return { loki, url: await authenticating(basic, loki.otlpUrl, '/otlp/v1/logs') };
}

async function elasticCloud(): Promise<{ readonly elasticsearch: Elasticsearch; readonly url: string }> {
  const elasticsearch = await startElasticsearch();
  const { url } = await startElasticCollector(elasticsearch);
  return { elasticsearch, url: await authenticating(`ApiKey ${apiKey}`, url) };
}

async function lokiAsUrl() {
  const loki = await lokiWithTenants();
  return { loki, url: loki.url };
}

function lokiWithTenants(): Promise<Loki> {
  return startLoki(recommendedLimits, { auth_enabled: true });
}

/** Passes a request on if it has the header, and answers 401 otherwise. */
async function startProxy(backendUrl: string, authorization: () => string) {
  let refused = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    // The client of the Collector writes the scheme as APIKey; case does not matter.
    if (request.headers.authorization?.replace(/^apikey /i, 'ApiKey ') !== authorization()) {
      refused++;
      response
        .writeHead(401, { 'content-type': 'application/json' })
        .end('{"error":"security_exception","status":401}');
      return;
    }
    const { 'content-type': type = '', 'content-encoding': encoding } = request.headers;
    const answer = await fetch(`${backendUrl}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { 'content-type': type, ...(encoding === undefined ? {} : { 'content-encoding': encoding }) },
      ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
    });
    const product = { 'x-elastic-product': 'Elasticsearch' };
    response.writeHead(answer.status, { 'content-type': 'application/json', ...product }).end(await answer.text());
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${port}`, refusedCount: () => refused };
}

async function linesIn({ url }: Loki, orgId?: string): Promise<number> {
  const parameters = new URLSearchParams({
    query: '{service_name="databricks"}',
    start: '2018-01-01T00:00:00Z',
    end: '2026-03-01T00:00:00Z',
    limit: '1000',
  });
  const response = await fetch(`${url}/loki/api/v1/query_range?${parameters}`, {
    headers: orgId === undefined ? {} : { 'x-scope-orgid': orgId },
  });
  const { data } = (await response.json()) as { data: { result: { values: unknown[] }[] } };
  return data.result.reduce((sum, { values }) => sum + values.length, 0);
}

async function documentsIn({ request, url }: Elasticsearch): Promise<number> {
  const exists = await fetch(`${url}/${dataStream}/_refresh`, { method: 'POST' });
  if (exists.status === 404) return 0;
  const { count } = (await request('GET', `/${dataStream}/_count`)) as { count: number };
  return count;
}
