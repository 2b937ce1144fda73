/**
 * examples/elastic from its own files: the agent, the Collector and Elasticsearch as the compose file configures them, and each
 * query against that Elasticsearch.
 *
 * The Collector with an Elasticsearch exporter that is available as Go modules is older than the one in the example. It needs three
 * settings that are defaults now, and has no queue on disk: that part is tested with the newer Collector.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { basename, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery } from '../built-agent.ts';
import { dataStream, startElasticsearch } from '../elasticsearch.ts';
import { serverDirectory } from '../recipes.ts';
import { freePort } from '../server-process.ts';
import {
  configurationOf,
  environmentOf,
  exampleDirectory,
  loadCompose,
  loadComposeWith,
  mountedFile,
  ofOlderVersion,
  type Service,
  startExampleCollector,
  validateCollector,
  withoutQueueOnDisk,
} from './compose.ts';
import { commandsOf, runCommand } from './guide.ts';

const services = loadCompose('elastic').services;
const { agent, collector, elasticsearch, kibana } = services;
const template = services['index-template'];
if (!agent || !collector || !elasticsearch || !kibana || !template) throw new Error('a service is missing');

const answer = z.object({
  hits: z.object({ total: z.object({ value: z.number() }), hits: z.array(z.unknown()) }),
  aggregations: z.record(z.string(), z.object({ buckets: z.array(z.unknown()) })).optional(),
});

const rule = z.object({
  name: z.string(),
  type: z.string(),
  query: z.string().optional(),
  from: z.string().optional(),
  to: z.string().optional(),
});

test('each Collector accepts the parts of its file that it supports', () => {
  validateCollector('collector-elastic', withoutQueueOnDisk(configurationOf(collector as Service)));
  const { extensions, exporters, service } = parse(readFileSync(configurationOf(collector), 'utf8'));
  expect(exporters.elasticsearch.sending_queue).toMatchObject({ enabled: true, storage: 'file_storage' });
  expect(service.extensions).toEqual(['file_storage']);
  const nop = { service: { ...service, pipelines: { logs: { receivers: ['otlp'], exporters: ['nop'] } } } };
  const file = join(temporaryDirectory(), 'collector.yaml');
  const receivers = { otlp: { protocols: { http: {} } } };
  extensions.file_storage.directory = temporaryDirectory();
  writeFileSync(file, stringify({ receivers, extensions, exporters: { nop: {} }, ...nop }));
  validateCollector('collector', file);
});

test('Elasticsearch and Kibana have the same version', () => {
  const versions = [elasticsearch, kibana, template].map(({ image }) => image.split(':')[1]);
  expect(new Set(versions).size).toBe(1);
});

describe('the queries', () => {
  test('cover each typical question about audit logs', () => {
    const names = queryFiles().map((file) => basename(file, '.json'));
    expect(names).toEqual(
      expect.arrayContaining([
        'who',
        'what',
        'from-where',
        'failures',
        'sign-ins',
        'admin-changes',
        'data-access',
        'secrets',
        'tokens',
        'lag-by-workspace',
      ]),
    );
  });
});

test('the sample delivery arrives once, and each query returns something', async () => {
  const { url } = await startElasticsearch();
  await putIndexTemplate(url);
  const backend = { 'http://elasticsearch:9200': url };
  const file = withoutQueueOnDisk(configurationOf(collector as Service));
  const running = await startExampleCollector('collector-elastic', file, backend, { settings: ofOlderVersion });
  const environment = environmentOf(agent);
  expect(mountedFile(agent, environment.DATABRICKS_AUDIT_SOURCE ?? '')).toBe(sampleDelivery);
  expect(environment.OTEL_EXPORTER_OTLP_ENDPOINT).toBe('http://collector:4318');
  const ship = () =>
    runBuiltAgent(['ship'], {
      ...environment,
      DATABRICKS_AUDIT_SOURCE: sampleDelivery,
      DATABRICKS_AUDIT_STATE: temporaryDirectory(), // So the second run repeats everything, as a crash repeats a part.
      OTEL_EXPORTER_OTLP_ENDPOINT: running.url,
    });
  expect(await ship()).toMatchObject({ code: 0 });
  const countOfAll = async () => (await search(url, { size: 0 })).hits.total.value;
  await expect.poll(countOfAll, { timeout: 60_000, interval: 500 }).toBe(15);
  expect(await ship()).toMatchObject({ code: 0 });
  await expect.poll(() => running.output, { timeout: 60_000 }).toContain('version_conflict_engine_exception');
  expect(await countOfAll()).toBe(15);

  const empty: string[] = [];
  for (const file of queryFiles()) {
    const { hits, aggregations = {} } = await search(url, JSON.parse(readFileSync(file, 'utf8')));
    const rows = hits.hits.length + Object.values(aggregations).reduce((sum, { buckets }) => sum + buckets.length, 0);
    if (rows === 0) empty.push(basename(file));
  }
  expect(empty).toEqual(['not-parsed.json']); // The sample has no unparsed lines.

  const [curl = ''] = commandsOf('getting-started-elastic').filter((command) => command.startsWith('curl'));
  const { aggregations } = answer.parse(JSON.parse(runCommand(curl, 'examples/elastic', 'http://localhost:9200', url)));
  expect(aggregations?.principals?.buckets.length).toBeGreaterThan(5);
});

test("the guide's event is one that a rule of the pack finds", async () => {
  const { url, search: find } = await startElasticsearch();
  await putIndexTemplate(url);
  const [send = ''] = commandsOf('getting-started-elastic').filter((command) => command.startsWith('sed '));
  runCommand(send, 'examples/elastic', 'http://localhost:9200', url);
  const pack = readFileSync(new URL('../../../../detections/elastic/databricks-audit.ndjson', import.meta.url), 'utf8');
  const found: string[] = [];
  for (const line of pack.trim().split('\n')) {
    const { name, type, query, from, to } = rule.parse(JSON.parse(line));
    if (type !== 'query') continue;
    const filter = [{ query_string: { query } }, { range: { '@timestamp': { gte: from, lte: to } } }];
    if ((await find({ bool: { filter } })).length > 0) found.push(name);
  }
  const guide = readFileSync(new URL('../../../../docs/getting-started-elastic.md', import.meta.url), 'utf8');
  expect(found).toEqual(['Databricks Verbose Audit Logs Disabled']);
  expect(guide).toContain(`\`firing critical - ${found[0]}\``);
});

describe('with the detection pack', () => {
  const password = { ELASTIC_PASSWORD: 'abc123' };
  const loadWithPack = () => loadComposeWith('elastic', ['compose.yaml', 'compose.detections.yaml'], password).services;

  test('whoever asks Elasticsearch has its password, and Kibana what its detection engine needs', () => {
    const withPack = loadWithPack();
    const { elasticsearch: secured, kibana: engine, collector: sender } = withPack;
    expect(environmentOf(secured as Service)).toMatchObject({
      'xpack.security.enabled': 'true',
      'xpack.license.self_generated.type': 'trial',
      ELASTIC_PASSWORD: 'abc123',
    });
    expect(environmentOf(engine as Service)).toMatchObject({ ELASTICSEARCH_PASSWORD: 'abc123' });
    expect(environmentOf(engine as Service).XPACK_ENCRYPTEDSAVEDOBJECTS_ENCRYPTIONKEY?.length).toBeGreaterThanOrEqual(
      32,
    );
    for (const name of ['index-template', 'kibana-password']) {
      expect(withPack[name]?.entrypoint, name).toContain('elastic:abc123');
    }
    const [, ...settings] = (sender?.command ?? []).map((word) => word.replace('--config=', ''));
    expect(settings).toEqual([
      'yaml:exporters::elasticsearch::user: elastic',
      'yaml:exporters::elasticsearch::password: abc123',
    ]);
    const words = settings.flatMap((setting) => ['--config', setting]);
    const program = join(serverDirectory('collector-elastic'), 'otelcol');
    execFileSync(
      program,
      ['validate', '--config', withoutQueueOnDisk(configurationOf(collector as Service)), ...words],
      { stdio: 'pipe' },
    );
  });

  test('the script gives Kibana a connector to the alert receiver, the pack, actions, and switches the rules on', async () => {
    const loader = loadWithPack()['detection-pack'] as Service;
    const requests: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      requests.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
      // The connector is there already.
      response.writeHead(request.url?.startsWith('/api/actions/') ? 409 : 200).end('{}');
    });
    const port = await freePort();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const pack = mountedFile(loader, '/databricks-audit.ndjson');
    const environment = {
      ...environmentOf(loader),
      PATH: process.env.PATH ?? '',
      KIBANA_URL: `http://127.0.0.1:${port}`,
    };
    const child = spawn('bash', [mountedFile(loader, '/load-detections.sh'), pack], {
      env: environment,
      stdio: 'ignore',
    });
    const [code] = await once(child, 'close');
    expect(code).toBe(0);
    const [connector, imported, edited, enabled] = requests;
    expect(requests.map(({ path }) => path)).toEqual([
      '/api/actions/connector/databricks-audit-alert-receiver',
      '/api/detection_engine/rules/_import?overwrite=true',
      '/api/detection_engine/rules/_bulk_action',
      '/api/detection_engine/rules/_bulk_action',
    ]);
    for (const { headers } of requests) {
      expect(headers).toMatchObject({ 'kbn-xsrf': 'true', authorization: `Basic ${btoa('elastic:abc123')}` });
    }
    expect(JSON.parse(connector?.body ?? '')).toMatchObject({
      connector_type_id: '.webhook',
      config: { url: 'http://alert-receiver:8080' },
    });
    expect(imported?.headers['content-type']).toMatch(/^multipart\/form-data/);
    expect(imported?.body).toContain(readFileSync(pack, 'utf8'));
    const { edit } = JSON.parse(edited?.body ?? '');
    expect(edit).toMatchObject([
      { type: 'set_rule_actions', value: { actions: [{ id: 'databricks-audit-alert-receiver' }] } },
    ]);
    expect(JSON.parse(edit[0].value.actions[0].params.body).alerts).toHaveLength(1);
    expect(JSON.parse(enabled?.body ?? '')).toMatchObject({
      action: 'enable',
      query: 'alert.attributes.tags: "Databricks"',
    });
  });
});

/** Executes the command of the compose service, whose last two words are the file and the URL. */
async function putIndexTemplate(url: string): Promise<void> {
  if (template === undefined) throw new Error('unreachable');
  const words = template.entrypoint ?? [];
  const [file = '', target = ''] = words.slice(-2);
  const response = await fetch(target.replace('http://elasticsearch:9200', url), {
    method: words[words.indexOf('--request') + 1] ?? '',
    headers: { 'content-type': 'application/json' },
    body: readFileSync(mountedFile(template, file.replace('@', ''))),
  });
  expect(response.status, await response.text()).toBe(200);
}

function queryFiles(): string[] {
  const directory = join(exampleDirectory('elastic'), 'queries');
  return globSync('*.json', { cwd: directory }).map((file) => join(directory, file));
}

async function search(url: string, query: object): Promise<z.infer<typeof answer>> {
  await fetch(`${url}/${dataStream}/_refresh`, { method: 'POST' });
  const response = await fetch(`${url}/${dataStream}/_search`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(query),
  });
  const text = await response.text();
  if (response.status === 404) return { hits: { total: { value: 0 }, hits: [] } };
  if (!response.ok) throw new Error(`Elasticsearch answered ${response.status} to ${JSON.stringify(query)}: ${text}`);
  return answer.parse(JSON.parse(text));
}
