/**
 * The detection pack on real backends: the cases of all rules go through the agent and a Collector into Loki and
 * Elasticsearch, and both have to find, rule by rule, the records that `matcher.ts` finds in the process.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { elasticsearch as elasticBackend } from '../../../src/detections/backends/elasticsearch.ts';
import { contains } from '../../../src/detections/condition.ts';
import { attributeOf } from '../../../src/detections/fields.ts';
import { applyFilters } from '../../../src/detections/filter-file.ts';
import { kibanaRule } from '../../../src/detections/formats/kibana.ts';
import { logqlExpression, logqlSelection } from '../../../src/detections/formats/logql.ts';
import { contextOf } from '../../../src/detections/pack-context.ts';
import type { DetectionRule } from '../../../src/detections/rule.ts';
import { readFilters, readRules } from '../../../src/detections/rule-directory.ts';
import { conditionOf } from '../../../src/detections/rule-file.ts';
import { loadMapping } from '../../../src/mapping/index.ts';
import { readCases } from '../../detections/cases.ts';
import { conditionCases, conditionLines } from '../../detections/conditions.ts';
import { fits, type MappedRecord, mapLines, outcomeOf } from '../../detections/matcher.ts';
import { deliveryKey, directoryPlace } from '../../support/delivery-place.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { runBuiltAgent, shipAll } from './built-agent.ts';
import { startCollector } from './collector.ts';
import { dataStream, type Elasticsearch, startElasticCollector, startElasticsearch } from './elasticsearch.ts';
import { type Loki, recommendedLimits, startLoki } from './loki.ts';
import { serverDirectory } from './recipes.ts';
import { freePort } from './server-process.ts';

const rules = readRules();
const delayMs = 20 * 60_000;
const lokiLayers = ['databricks-audit', 'loki'];
const elasticLayers = ['databricks-audit', 'elastic'];

function packFor(layers: readonly string[]) {
  const mapping = loadMapping(layers, '.');
  const others = { serviceName: 'databricks', delayMs, level: 'informational', allInOne: false } as const;
  const context = contextOf({ layers, mapping, ...others });
  return { mapping, context };
}

interface Delivery {
  readonly nowMs: number;
  readonly observedMs: number;
  readonly source: string;
  readonly lines: readonly string[];
}

function deliverAllCases(): Promise<Delivery> {
  const nowMs = Date.now();
  return deliver(rules.flatMap(({ slug }) => readCases(slug, nowMs).flatMap((oneCase) => oneCase.lines)));
}

async function deliver(lines: readonly string[]): Promise<Delivery> {
  const nowMs = Date.now();
  const observedMs = nowMs - 30 * 60_000;
  const place = directoryPlace();
  await place.deliver(deliveryKey(), lines);
  // A line without a time of its own gets that of its object.
  utimesSync(join(place.source, deliveryKey()), observedMs / 1000, observedMs / 1000);
  return { nowMs, observedMs, source: place.source, lines };
}

function exampleTemplate(): object {
  const template = new URL('../../../examples/elastic/index-template.json', import.meta.url);
  return JSON.parse(readFileSync(template, 'utf8'));
}

/** What the rules find in all records together, worked out in the process. */
function expectedOutcomes({ lines, nowMs, observedMs }: Delivery, layers: readonly string[]) {
  const { mapping } = packFor(layers);
  const records = mapLines(lines, layers, observedMs);
  return new Map(rules.map((rule) => [rule.slug, outcomeOf(rule, records, mapping, nowMs, delayMs)]));
}

const uids = (records: readonly MappedRecord[]) => new Set(records.map(({ uid }) => uid));
const valuesOf = (records: readonly MappedRecord[], name: string) =>
  new Set(records.map(({ values }) => values.get(name)?.[0] ?? ''));

test('Loki finds by every rule what the cases say, and its ruler tells the alert receiver who, from where and in which workspace', async () => {
  const receiver = await startAlertReceiver();
  const rulesDirectory = temporaryDirectory();
  const { loki, delivery, range } = await lokiWithAllCases(ruler(rulesDirectory, receiver.url));

  const expected = expectedOutcomes(delivery, lokiLayers);
  const { context } = packFor(lokiLayers);
  for (const rule of rules) {
    const { fitting, alerting } = outcomeOfRule(expected, rule);
    const found = await loki.query(logqlSelection(rule.condition, context), range);
    expect(new Set(found.map(({ labels }) => labels.log_record_uid)), rule.slug).toEqual(uids(fitting));
    const series = await queryInstant(loki, logqlExpression(rule, context));
    const principals = new Set(series.map(({ metric }) => metric.databricks_principal_name ?? ''));
    expect(principals, rule.slug).toEqual(valuesOf(alerting, 'databricks.principal.name'));
  }

  const { code, stdout, stderr } = await runBuiltAgent(
    ['detections', '--format', 'loki', '--level', 'informational'],
    {},
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  mkdirSync(join(rulesDirectory, 'fake'));
  writeFileSync(
    join(rulesDirectory, 'fake', 'databricks-audit.yaml'),
    stdout.replaceAll(/interval: \w+/g, 'interval: 5s'),
  );
  const wanted = rules.flatMap((rule) =>
    [...valuesOf(outcomeOfRule(expected, rule).alerting, 'databricks.principal.name')].map(
      (name) => `${rule.slug} ${name}`,
    ),
  );
  const told = () =>
    new Set(receiver.alerts().map(({ labels }) => `${labels.rule} ${labels.databricks_principal_name ?? ''}`));
  await expect
    .poll(() => wanted.filter((alert) => !told().has(alert)), { timeout: 240_000, interval: 1_000 })
    .toEqual([]);
  expect([...told()].toSorted()).toEqual([...new Set(wanted)].toSorted());
  const granted = receiver
    .alerts()
    .find(
      ({ labels }) =>
        labels.rule === 'workspace-admin-granted' &&
        labels.databricks_principal_name === 'workspace-admin-granted-0@example.com',
    );
  expect(granted?.labels).toMatchObject({
    alertname: 'Databricks Workspace Admin Granted',
    severity: 'high',
    tactic: 'privilege-escalation',
    technique: 'T1098.003',
    databricks_principal_type: 'user',
    client_address: expect.stringMatching(/^198\.18\./),
    service_instance_id: '1234567890123456',
    databricks_audit_action_name: 'setAdmin',
  });
  expect(granted?.annotations.summary).toContain('workspace-admin-granted-0@example.com from 198.18.');
  expect(await unhealthyRules(loki)).toEqual([]);
});

test('Loki finds the same by the rules that are all in one', async () => {
  const { loki, delivery } = await lokiWithAllCases();
  const { code, stdout } = await runBuiltAgent(
    ['detections', '--format', 'loki', '--all-in-one', '--level', 'informational'],
    {},
  );
  expect(code).toBe(0);
  const joined = rulerFile
    .parse(parse(stdout))
    .groups.flatMap((group) => group.rules.filter(({ labels }) => labels.rule?.startsWith('all-of-level-')));
  expect(joined.map(({ labels }) => labels.severity)).toEqual(['informational', 'low', 'medium', 'high', 'critical']);
  const expected = expectedOutcomes(delivery, lokiLayers);
  for (const { expr, labels } of joined) {
    const records = rules
      .filter(
        ({ level, finding, condition }) =>
          level === labels.severity && finding.type === 'event' && !contains(condition, 'keywords'),
      )
      .flatMap((rule) => outcomeOfRule(expected, rule).alerting);
    const series = await queryInstant(loki, expr);
    const principals = new Set(series.map(({ metric }) => metric.databricks_principal_name ?? ''));
    expect(principals, labels.rule).toEqual(valuesOf(records, 'databricks.principal.name'));
  }
});

test('Elasticsearch finds by every rule of Kibana what the cases say', async () => {
  const { elasticsearch, delivery } = await elasticsearchWithAllCases();
  const expected = expectedOutcomes(delivery, elasticLayers);
  const { context } = packFor(elasticLayers);
  for (const rule of rules) {
    const { fitting, alerting } = outcomeOfRule(expected, rule);
    const written = kibanaRule(rule, context);
    const found = await elasticsearch.search(queryString(written.query));
    expect(new Set(found.map(({ _source }) => uidOf(_source))), rule.slug).toEqual(uids(fitting));
    expect(await alertsOf(elasticsearch, rule, written), rule.slug).toEqual(expectedAlerts(rule, alerting));
  }
});

test('Loki finds by every kind of condition what it is meant to find', async () => {
  const loki = await startLoki(recommendedLimits);
  const delivery = await deliver(conditionLines(Date.now() - 30 * 60_000));
  await shipAll(environmentOf(delivery, loki.otlpUrl, lokiLayers));
  const { mapping, context } = packFor(lokiLayers);
  const records = mapLines(delivery.lines, lokiLayers, delivery.observedMs);
  const range = { from: new Date(delivery.nowMs - 3_600_000), to: new Date(delivery.nowMs + 3_600_000) };
  await expect
    .poll(() => loki.query('{service_name="databricks"}', range), { timeout: 60_000 })
    .toHaveLength(records.length);
  for (const { title, searches, condition } of conditionCases) {
    const tree = conditionOf({ ...searches, condition });
    const found = await loki.query(logqlSelection(tree, context), range);
    const wanted = uids(records.filter((record) => fits(tree, record, mapping)));
    expect(new Set(found.map(({ labels }) => labels.log_record_uid)), title).toEqual(wanted);
  }
});

test('Elasticsearch finds by every kind of condition what it is meant to find', async () => {
  const elasticsearch = await startElasticsearch();
  await elasticsearch.request('PUT', '/_index_template/databricks-audit', exampleTemplate());
  const delivery = await deliver(conditionLines(Date.now() - 30 * 60_000));
  await shipAll(environmentOf(delivery, (await startElasticCollector(elasticsearch)).url, elasticLayers));
  const { mapping, context } = packFor(elasticLayers);
  const records = mapLines(delivery.lines, elasticLayers, delivery.observedMs);
  expect(await elasticsearch.search({ match_all: {} })).toHaveLength(records.length);
  for (const { title, searches, condition } of conditionCases) {
    const tree = conditionOf({ ...searches, condition });
    const found = await elasticsearch.search(queryString(elasticBackend.query(tree, context.attributeOf)));
    const wanted = uids(records.filter((record) => fits(tree, record, mapping)));
    expect(new Set(found.map(({ _source }) => uidOf(_source))), title).toEqual(wanted);
  }
});

test('Elasticsearch takes a record whose parameter is as long as a term may be, and longer', async () => {
  const elasticsearch = await startElasticsearch();
  await elasticsearch.request('PUT', '/_index_template/databricks-audit', exampleTemplate());
  const lengths = [31_900, 32_740, 32_757, 40_000];
  const timestamp = Date.now() - 30 * 60_000;
  const delivery = await deliver(
    lengths.map((length) =>
      JSON.stringify({
        timestamp,
        serviceName: 'databrickssql',
        actionName: 'commandSubmit',
        requestParams: { commandText: 'y'.repeat(length) },
      }),
    ),
  );
  await shipAll(environmentOf(delivery, (await startElasticCollector(elasticsearch)).url, elasticLayers));
  expect(await elasticsearch.search({ match_all: {} })).toHaveLength(lengths.length);
  expect(await elasticsearch.search({ term: { 'databricks.request.truncated': true } })).toHaveLength(3);
});

test('pySigma, which reads the rules by itself, finds the same records in Loki', async () => {
  const { loki, delivery, range } = await lokiWithAllCases();
  const expected = expectedOutcomes(delivery, lokiLayers);
  const opinion = await secondOpinion();
  for (const rule of rules.filter(({ condition }) => !contains(condition, 'keywords'))) {
    const found = await Promise.all((opinion[rule.name]?.logql ?? []).map((query) => loki.query(query, range)));
    const wanted = uids(outcomeOfRule(expected, rule).fitting);
    expect(new Set(found.flat().map(({ labels }) => labels.log_record_uid)), rule.slug).toEqual(wanted);
  }
});

test('pySigma, which applies filters by itself, leaves out the same records in Loki', async () => {
  const { loki, delivery, range } = await lokiWithAllCases();
  const directory = temporaryDirectory();
  const filter = (named: string, condition: string) =>
    stringify({
      title: 'Some',
      logsource: { product: 'databricks', service: 'audit' },
      filter: {
        rules: named === 'any' ? named : [named],
        selection_first: { 'userIdentity.email|endswith': '-0@example.com' },
        selection_system: { 'userIdentity.email': 'System-User' },
        selection_refused: { 'response.statusCode': [401, 403] },
        condition,
      },
    });
  writeFileSync(join(directory, 'mf_all.yml'), filter('any', 'not selection_first and not selection_system'));
  writeFileSync(
    join(directory, 'mf_one.yml'),
    filter('databricks_login_failed_repeatedly', 'not (selection_refused and not selection_first)'),
  );
  const filtered = applyFilters(rules, readFilters(directory));
  const { mapping, context } = packFor(lokiLayers);
  const records = mapLines(delivery.lines, lokiLayers, delivery.observedMs);
  const opinion = await secondOpinion(['--filters', directory]);
  const counts = { all: 0, filtered: 0 };
  for (const rule of filtered.filter(({ condition }) => !contains(condition, 'keywords'))) {
    const wanted = uids(records.filter((record) => fits(rule.condition, record, mapping)));
    for (const query of [logqlSelection(rule.condition, context), ...(opinion[rule.name]?.logql ?? [])]) {
      const found = await loki.query(query, range);
      expect(new Set(found.map(({ labels }) => labels.log_record_uid)), `${rule.slug}: ${query}`).toEqual(wanted);
    }
    counts.filtered += wanted.size;
    const unfiltered = rules.find(({ slug }) => slug === rule.slug)?.condition;
    counts.all += unfiltered === undefined ? 0 : records.filter((one) => fits(unfiltered, one, mapping)).length;
  }
  // Neither nothing nor everything is left out.
  expect(counts.filtered).toBeGreaterThan(0);
  expect(counts.filtered).toBeLessThan(counts.all);
});

test('pySigma, which reads the rules by itself, finds the same records in Elasticsearch', async () => {
  const { elasticsearch, delivery } = await elasticsearchWithAllCases();
  const expected = expectedOutcomes(delivery, elasticLayers);
  const opinion = await secondOpinion();
  // It looks for keywords in every field, and passes `^` and `$` on, which Lucene takes for signs of the text.
  const beyondIt = rules.filter(({ condition }) => contains(condition, 'keywords') || contains(condition, 'regexp'));
  expect(beyondIt.length).toBeLessThan(5);
  for (const rule of rules.filter((one) => !beyondIt.includes(one))) {
    const queries = opinion[rule.name]?.lucene ?? [];
    const found = await Promise.all(queries.map((query) => elasticsearch.search(queryString(query))));
    const wanted = uids(outcomeOfRule(expected, rule).fitting);
    expect(new Set(found.flat().map(({ _source }) => uidOf(_source))), rule.slug).toEqual(wanted);
  }
});

test('lokitool has no fault to find with the ruler files', () => {
  const lokitool = join(serverDirectory('loki'), 'lokitool');
  for (const name of ['databricks-audit.yaml', 'databricks-audit-all-in-one.yaml']) {
    const file = new URL(`../../../detections/loki/${name}`, import.meta.url).pathname;
    const { status, stderr } = spawnSync(lokitool, ['rules', 'lint', '--dry-run', file], { encoding: 'utf8' });
    expect({ status, errors: /level=error|msg="[^"]*fail/.test(stderr) }, stderr).toEqual({ status: 0, errors: false });
    expect(stderr, name).not.toContain('0 rules found');
  }
  const broken = join(temporaryDirectory(), 'broken.yaml');
  writeFileSync(broken, 'groups: [{name: a, rules: [{alert: b, expr: "sum(("}]}]\n');
  expect(() => execFileSync(lokitool, ['rules', 'lint', '--dry-run', broken], { stdio: 'pipe' })).toThrow();
});

/** Behind a Collector. */
async function lokiWithAllCases(parts = {}) {
  const loki = await startLoki(recommendedLimits, parts);
  const delivery = await deliverAllCases();
  const { url } = await startCollector({ exporters: { otlp_http: { endpoint: loki.otlpUrl } } });
  await shipAll(environmentOf(delivery, url, lokiLayers));
  const range = { from: new Date(delivery.nowMs - 4 * 86_400_000), to: new Date(delivery.nowMs + 3_600_000) };
  const selectAll = '{service_name="databricks"}';
  await expect.poll(() => loki.query(selectAll, range), { timeout: 60_000 }).toHaveLength(delivery.lines.length);
  return { loki, delivery, range };
}

async function elasticsearchWithAllCases() {
  const elasticsearch = await startElasticsearch();
  await elasticsearch.request('PUT', '/_index_template/databricks-audit', exampleTemplate());
  const delivery = await deliverAllCases();
  await shipAll(environmentOf(delivery, (await startElasticCollector(elasticsearch)).url, elasticLayers));
  expect(await elasticsearch.search({ match_all: {} })).toHaveLength(delivery.lines.length);
  return { elasticsearch, delivery };
}

const opinionSchema = z.record(z.string(), z.object({ logql: z.array(z.string()), lucene: z.array(z.string()) }));

/** What pySigma makes of the rules that the command writes, by name. */
async function secondOpinion(words: readonly string[] = []): Promise<z.infer<typeof opinionSchema>> {
  const files = await Promise.all(
    ['sigma', 'sigma-pipeline'].map(async (format) => {
      const path = join(temporaryDirectory(), `${format}.yml`);
      writeFileSync(
        path,
        (await runBuiltAgent(['detections', '--format', format, '--level', 'informational', ...words], {})).stdout,
      );
      return path;
    }),
  );
  const script = fileURLToPath(new URL('./pysigma-queries.py', import.meta.url));
  const python = join(serverDirectory('pysigma'), 'venv/bin/python');
  const opinion = opinionSchema.parse(JSON.parse(execFileSync(python, [script, ...files], { encoding: 'utf8' })));
  expect(Object.keys(opinion)).toHaveLength(rules.length);
  return opinion;
}

function outcomeOfRule(expected: ReturnType<typeof expectedOutcomes>, { slug }: DetectionRule) {
  const outcome = expected.get(slug);
  if (outcome === undefined) throw new Error(`no outcome of ${slug}`);
  return outcome;
}

function environmentOf({ source }: Delivery, endpoint: string, layers: readonly string[]) {
  return {
    DATABRICKS_AUDIT_SOURCE: source,
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    DATABRICKS_AUDIT_MAPPING: layers.join(),
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
  };
}

const rulerFile = z.object({
  groups: z.array(
    z.object({ rules: z.array(z.object({ expr: z.string(), labels: z.record(z.string(), z.string()) })) }),
  ),
});

const vector = z.object({
  data: z.object({
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

async function queryInstant({ url }: Loki, query: string) {
  const response = await fetch(`${url}/loki/api/v1/query?${new URLSearchParams({ query })}`);
  const text = await response.text();
  if (!response.ok) throw new Error(`Loki answered ${response.status} to ${query}: ${text}`);
  return vector.parse(JSON.parse(text)).data.result;
}

function ruler(directory: string, alertmanagerUrl: string) {
  return {
    ruler: {
      enable_api: true,
      evaluation_interval: '5s',
      poll_interval: '1s',
      rule_path: temporaryDirectory(),
      storage: { type: 'local', local: { directory } },
      ring: { kvstore: { store: 'inmemory' } },
      alertmanager_url: alertmanagerUrl,
      enable_alertmanager_v2: true,
    },
  };
}

/** Rules that the ruler could not evaluate, with the reason. */
async function unhealthyRules({ url }: Loki): Promise<string[]> {
  const { data } = z
    .object({
      data: z.object({
        groups: z.array(
          z.object({
            rules: z.array(z.object({ name: z.string(), health: z.string(), lastError: z.string().optional() })),
          }),
        ),
      }),
    })
    .parse(await (await fetch(`${url}/prometheus/api/v1/rules`)).json());
  const evaluated = data.groups.flatMap(({ rules: all }) => all);
  expect(evaluated.length).toBe(rules.length);
  return evaluated.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`);
}

const alertsSchema = z.array(
  z.object({ labels: z.record(z.string(), z.string()), annotations: z.record(z.string(), z.string()) }),
);

type Alert = z.infer<typeof alertsSchema>[number];

/** Takes what Loki would tell an Alertmanager. */
async function startAlertReceiver(): Promise<{ readonly url: string; alerts(): readonly Alert[] }> {
  const alerts: Alert[] = [];
  const port = await freePort();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (request.url === '/api/v2/alerts')
      alerts.push(...alertsSchema.parse(JSON.parse(Buffer.concat(chunks).toString())));
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, alerts: () => alerts };
}

type KibanaRule = ReturnType<typeof kibanaRule>;

/** As Kibana sends a query in Lucene. */
function queryString(query: string): object {
  return { query_string: { query, analyze_wildcard: true } };
}

function uidOf(source: Readonly<Record<string, unknown>>): string {
  return (source.attributes as Readonly<Record<string, string>>)['log.record.uid'] ?? '';
}

/** Groups, or ids of records, that Kibana would alert on: its aggregation for thresholds, its comparison for new terms. */
async function alertsOf(
  elasticsearch: Elasticsearch,
  { finding }: DetectionRule,
  rule: KibanaRule,
): Promise<Set<string>> {
  const within = (gte: string, lte: string) => ({
    bool: { filter: [queryString(rule.query), { range: { '@timestamp': { gte, lte } } }] },
  });
  const names = (fields: readonly string[]) => fields.map((field) => attributeName(field));
  switch (finding.type) {
    case 'event_count':
    case 'value_count': {
      const fields = names(finding.groupBy);
      const counted = finding.type === 'value_count' ? attributeName(finding.field) : undefined;
      const groups = await groupsOf(elasticsearch, within(rule.from, rule.to), fields, counted);
      return new Set([...groups].filter(([, count]) => count >= finding.min).map(([key]) => key));
    }
    case 'new_terms': {
      const fields = names(finding.fields);
      const start = 'history_window_start' in rule ? rule.history_window_start : '';
      const recent = await groupsOf(elasticsearch, within(rule.from, rule.to), fields, undefined);
      const before = await groupsOf(elasticsearch, within(start, rule.from), fields, undefined);
      return new Set([...recent.keys()].filter((key) => !before.has(key)));
    }
    default: {
      const found = await elasticsearch.search(within(rule.from, rule.to));
      return new Set(found.map(({ _source }) => uidOf(_source)));
    }
  }
}

function expectedAlerts({ finding }: DetectionRule, records: readonly MappedRecord[]): Set<string> {
  const keys = (fields: readonly string[]) =>
    new Set(records.map(({ values }) => JSON.stringify(fields.map((field) => values.get(attributeName(field))?.[0]))));
  if (finding.type === 'event_count' || finding.type === 'value_count') return keys(finding.groupBy);
  return finding.type === 'new_terms' ? keys(finding.fields) : uids(records);
}

function attributeName(field: string): string {
  return attributeOf(field, packFor(elasticLayers).mapping)?.name ?? '';
}

const bucketsSchema = z.object({
  aggregations: z.object({
    groups: z.object({
      buckets: z.array(
        z.object({
          key: z.record(z.string(), z.string()),
          doc_count: z.number(),
          values: z.object({ value: z.number() }).optional(),
        }),
      ),
    }),
  }),
});

/** How many records each group has, or how many values of a field. */
async function groupsOf(
  elasticsearch: Elasticsearch,
  query: object,
  fields: readonly string[],
  counted: string | undefined,
): Promise<Map<string, number>> {
  const sources = fields.map((field, index) => ({ [`field${index}`]: { terms: { field } } }));
  const answer = await elasticsearch.request('POST', `/${dataStream}/_search`, {
    size: 0,
    query,
    aggs: {
      groups: {
        composite: { size: 10_000, sources },
        ...(counted === undefined ? {} : { aggs: { values: { cardinality: { field: counted } } } }),
      },
    },
  });
  return new Map(
    bucketsSchema
      .parse(answer)
      .aggregations.groups.buckets.map(({ key, doc_count: count, values }) => [
        JSON.stringify(Object.values(key)),
        values?.value ?? count,
      ]),
  );
}
