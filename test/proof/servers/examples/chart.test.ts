/**
 * The Helm chart: linted, rendered and validated for each kind of values, which are in its folder `ci`. What a pod gets as its
 * environment makes the built agent ship.
 */
import { execFileSync } from 'node:child_process';
import { globSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { variables } from '../../../../src/config/variables.ts';
import { startOtlpReceiver } from '../../../support/otlp-receiver.ts';
import { temporaryDirectory } from '../../../support/temporary-directory.ts';
import { runBuiltAgent, sampleDelivery } from '../built-agent.ts';
import { exampleDirectory } from './compose.ts';
import { chartDirectory, helm, helmTemplate, type Resources, validateResources } from './kubernetes-tools.ts';

const kindsOfValues = globSync('ci/*.yaml', { cwd: chartDirectory }).map((file) => basename(file, '.yaml'));
const isShared = (name: string) => name.startsWith('replicas-');
const valuesFile = (name: string) => join(chartDirectory, 'ci', `${name}.yaml`);
const render = (name: string, ...more: readonly string[]) => helmTemplate(['--values', valuesFile(name), ...more]);
const agentOf = (resources: Resources) => resources.container('agent');

describe.each(kindsOfValues)('with the values %s', (name) => {
  const rendered = () => render(name);

  test('Helm has nothing to complain about', () => {
    const printed = helm(['lint', '--strict', '--values', valuesFile(name), chartDirectory]);
    expect(printed).toContain('0 chart(s) failed');
  });

  test('the resources are valid for Kubernetes and the Prometheus Operator, without unknown fields', () => {
    validateResources(rendered());
  });

  test('the pod conforms to restricted pod security', () => {
    const { securityContext, initContainers, containers } = rendered().workload().spec.template.spec;
    expect(securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    for (const each of [...initContainers, ...containers]) {
      expect(each.securityContext).toMatchObject({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } });
    }
  });

  test('the agent gets only variables that it knows, each once', () => {
    const names = agentOf(rendered()).env.map((each) => each.name);
    expect(names.filter((each, index) => names.indexOf(each) !== index)).toEqual([]);
    expect(names.filter((each) => !(each in variables) && !each.startsWith('AWS_'))).toEqual([]);
  });

  test(`its state is ${isShared(name) ? 'shared, and it has no volume' : 'on a volume that one pod holds'}`, () => {
    const resources = rendered();
    const { replicas, strategy, template } = resources.workload().spec;
    const { volumes } = template.spec;
    const { DATABRICKS_AUDIT_STATE: state = '' } = resources.environmentOf(agentOf(resources));
    if (isShared(name)) {
      expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } });
      expect(replicas).toBeGreaterThan(1);
      expect(volumes).toEqual([]);
      expect(resources.find('PersistentVolumeClaim')).toEqual([]);
    } else {
      expect(strategy).toEqual({ type: 'Recreate' });
      expect(replicas).toBe(1);
      const mount = agentOf(resources).volumeMounts.find((each) => state.startsWith(`${each.mountPath}/`));
      expect(volumes.find((volume) => volume.name === mount?.name)?.persistentVolumeClaim).toBeDefined();
    }
  });

  test('what selects the pods selects them all', () => {
    const resources = rendered();
    const { selector, template } = resources.workload().spec;
    const selectors = [
      selector.matchLabels,
      ...['PodDisruptionBudget', 'PodMonitor'].flatMap((kind) =>
        resources.find(kind).map(({ spec }) => spec.selector.matchLabels),
      ),
      ...resources.find('NetworkPolicy').map(({ spec }) => spec.podSelector.matchLabels),
      ...resources.find('Service').map(({ spec }) => spec.selector),
      ...template.spec.topologySpreadConstraints.map(
        (each) => (each as { labelSelector: { matchLabels: object } }).labelSelector.matchLabels,
      ),
    ];
    for (const each of selectors) expect(template.metadata.labels).toMatchObject(each);
  });

  test('requests in flight have time to end', () => {
    expect(rendered().workload().spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(30);
  });
});

test('the kinds of values cover every value, so that each is rendered', () => {
  const covered = new Set(kindsOfValues.flatMap((name) => pathsOf(parse(readFileSync(valuesFile(name), 'utf8')))));
  const all = pathsOf(parse(readFileSync(join(chartDirectory, 'values.yaml'), 'utf8')));
  const usual = [
    ...['resources', 'podSecurityContext', 'persistence.annotations', 'topologySpreadConstraints'],
    ...['podDisruptionBudget', 'metrics.podMonitor.interval', 'metrics.grafanaDashboard.labels'],
  ];
  const isUsual = (path: string) => usual.some((each) => path === each || path.startsWith(`${each}.`));
  expect(all.filter((path) => !isUsual(path) && ![...covered].some((each) => each.startsWith(path)))).toEqual([]);
});

test('several replicas have a disruption budget, and are spread over zones and nodes', () => {
  const resources = render('replicas-dynamodb');
  expect(resources.find('PodDisruptionBudget')[0].spec).toMatchObject({
    minAvailable: 1,
    unhealthyPodEvictionPolicy: 'AlwaysAllow',
  });
  expect(resources.workload().spec.template.spec.topologySpreadConstraints).toMatchObject([
    { topologyKey: 'topology.kubernetes.io/zone' },
    { topologyKey: 'kubernetes.io/hostname' },
  ]);
  expect(render('volume').find('PodDisruptionBudget')).toEqual([]);
});

test('pods that have only IPv6 can listen there', () => {
  const { DATABRICKS_AUDIT_HTTP } = ((resources) => resources.environmentOf(agentOf(resources)))(
    render('volume', '--set-string', 'env.DATABRICKS_AUDIT_HTTP=[::]:9464'),
  );
  expect(DATABRICKS_AUDIT_HTTP).toBe('[::]:9464');
});

test('the secret of the user becomes the environment', () => {
  expect(agentOf(render('replicas-postgres')).envFrom).toEqual([{ secretRef: { name: 'databricks-audit-otel' } }]);
});

test('the role of the service account is set for each cloud', () => {
  const account = (name: string) => render(name).find('ServiceAccount')[0];
  expect(account('volume').metadata.annotations['eks.amazonaws.com/role-arn']).toMatch(/^arn:aws:iam::/);
  expect(account('everything').metadata).toMatchObject({
    name: 'audit',
    annotations: { 'azure.workload.identity/client-id': expect.any(String) },
  });
  const azure = render('everything').workload().spec.template;
  expect(azure.metadata.labels['azure.workload.identity/use']).toBe('true');
  expect(azure.spec.serviceAccountName).toBe('audit');
  expect(account('existing-claim')).toBeUndefined();
  expect(render('existing-claim').workload().spec.template.spec.serviceAccountName).toBe('databricks-audit');
});

describe('the network policy', () => {
  const egressOf = (name: string, ...more: readonly string[]) =>
    render(name, ...more).find('NetworkPolicy')[0].spec.egress;
  const ports = (name: string, ...more: readonly string[]) =>
    egressOf(name, ...more).flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port));

  test('permits DNS, HTTPS, and where instances and pods get their credentials', () => {
    expect(ports('replicas-dynamodb')).toEqual([53, 53, 443, 4318, 80, 988]);
    const peers = egressOf('replicas-dynamodb').flatMap(({ to = [] }: { to?: { ipBlock: { cidr: string } }[] }) =>
      to.map(({ ipBlock }) => ipBlock.cidr),
    );
    expect(peers).toEqual(expect.arrayContaining(['169.254.170.23/32', 'fd00:ec2::23/128', '169.254.169.254/32']));
  });

  test.each([
    ['http://collector', 80],
    ['https://otlp.example.com/otlp', 443],
    ['http://collector.example.com:14318/base', 14318],
    ['http://[fd00::1]:4318', 4318],
    ['https://[fd00::1]', 443],
  ])('permits the port of the endpoint %s', (endpoint, port) => {
    expect(ports('replicas-dynamodb', '--set-string', `otlp.endpoint=${endpoint}`)[3]).toBe(port);
  });

  test.each([
    ['collector:14317', 14317],
    ['collector', 4317],
    ['dns:///collector:14317', 14317],
    ['[fd00::1]:14317', 14317],
  ])('permits the port of the target of gRPC %s', (endpoint, port) => {
    const values = ['otlp.protocol=grpc', `otlp.endpoint=${endpoint}`];
    expect(ports('replicas-dynamodb', ...values.flatMap((value) => ['--set-string', value]))[3]).toBe(port);
  });

  test.each([
    ['postgres://audit@db.example.com:6432/audit', 6432],
    ['postgresql://db.example.com/audit', 5432],
  ])('permits the port of the state %s', (state, port) => {
    expect(ports('replicas-postgres', '--set-string', `state=${state}`)).toContain(port);
  });

  test('permits the ports of the endpoints in variables as well, each once', () => {
    const options = [
      'env.OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=http://other:5555/v1/logs',
      'env.OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://other:4318/v1/metrics',
      'extraEnv[0].name=AWS_ENDPOINT_URL_S3',
      'extraEnv[0].value=http://minio:9000',
    ].flatMap((option) => ['--set-string', option]);
    expect(ports('replicas-dynamodb', ...options)).toEqual([53, 53, 443, 4318, 5555, 80, 988]);
  });

  test('permits the ports of the pods behind the endpoint, as the values of the example for Loki say', () => {
    const values = ['--values', join(exampleDirectory('backends'), 'loki-tenant/values.yaml')];
    const policy = helmTemplate([...values, '--set', 'networkPolicy.enabled=true']).find('NetworkPolicy')[0];
    expect(policy.spec.egress[2].ports).toEqual([{ port: 8080, protocol: 'TCP' }]);
  });

  test('restricts the collector, and permits more, as the values say', () => {
    const egress = egressOf('everything');
    expect(egress[2].to).toHaveLength(1);
    expect(egress[2].ports).toEqual([4317, 4318].map((port) => ({ port, protocol: 'TCP' })));
    expect(egress.at(-1).ports).toEqual([{ port: 3128, protocol: 'TCP' }]);
  });
});

const working = { source: 's3://bucket', otlp: { endpoint: 'http://collector:4318' } };
const grpc = { source: 's3://bucket', otlp: { endpoint: 'http://collector:4317', protocol: 'grpc' } };
const mount = { name: 'data', mountPath: '/data' };

test.each([
  [
    'metrics over HTTP beside records over gRPC',
    {
      ...grpc,
      env: {
        OTEL_METRICS_EXPORTER: 'otlp',
        OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf',
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://collector:4318/v1/metrics',
      },
    },
  ],
  ['variables of metrics in a secret', { ...grpc, env: { OTEL_METRICS_EXPORTER: 'otlp' }, existingSecret: 'metrics' }],
  ['dead letters on the volume of the state', { ...working, deadLetters: '/state/letters' }],
  ['dead letters on a volume', { ...working, deadLetters: '/data', extraVolumeMounts: [mount] }],
  ['a source on a volume', { ...working, source: '/data/logs', extraVolumeMounts: [{ ...mount, readOnly: true }] }],
  ['a source below the root', { ...working, source: '/data', extraVolumeMounts: [{ ...mount, mountPath: '/' }] }],
  ['a source of a name with escapes', { ...working, source: 'file:///d%61ta', extraVolumeMounts: [mount] }],
  ['a database with a port', { ...working, state: 'postgres://u@h:5432/d?sslmode=require', deadLetters: 's3://b' }],
])('values that can work are not refused: %s', (_, values) => {
  const file = join(temporaryDirectory(), 'values.yaml');
  writeFileSync(file, stringify(values));
  expect(helmTemplate(['--values', file]).workload().spec.replicas).toBe(1);
});

test('a password in the state is not printed', () => {
  const values = ['source=s3://bucket', 'otlp.endpoint=http://collector', 'deadLetters=s3://letters'];
  for (const state of [
    'postgres://user:hunter2@host/db',
    'postgres://host/db?password=hunter2',
    'redis://:hunter2@h',
  ]) {
    const options = [...values, `state=${state}`].flatMap((value) => ['--set-string', value]);
    const refusal = problemsOf(() => helmTemplate(options)).replaceAll(options.join(' '), '');
    expect(refusal).toContain('These values do not work');
    expect(refusal).not.toContain('hunter2');
  }
});

test('variables keep their values, also large numbers', () => {
  const file = join(temporaryDirectory(), 'values.yaml');
  const env = { DATABRICKS_AUDIT_BATCH_BYTES: 4_194_304, DATABRICKS_AUDIT_FOLLOW_LINKS: true, AWS_REGION: 'eu-west-1' };
  writeFileSync(file, stringify({ ...working, env: { ...env, RATIO: 0.25 } }));
  const resources = helmTemplate(['--values', file]);
  expect(resources.environmentOf(agentOf(resources))).toMatchObject({
    DATABRICKS_AUDIT_BATCH_BYTES: '4194304',
    DATABRICKS_AUDIT_FOLLOW_LINKS: 'true',
    AWS_REGION: 'eu-west-1',
    RATIO: '0.25',
  });
});

describe('values that cannot work are refused with a reason', () => {
  test.each([
    ['no source', { ...working, source: '' }, 'source: where does Databricks deliver?'],
    ['no collector', { source: 's3://bucket' }, 'otlp.endpoint: where is the collector?'],
    ['replicas on a volume', { ...working, replicas: 2 }, 'replicas: only one agent can use the state on a volume'],
    ['a shared state without dead letters', { ...working, state: 'dynamodb://table' }, 'deadLetters: a shared state'],
    [
      'a variable twice',
      { ...working, env: { A: 1 }, extraEnv: [{ name: 'A', value: '1' }] },
      'extraEnv.A: the variable is',
    ],
    [
      'an address that the probes cannot reach',
      { ...working, env: { DATABRICKS_AUDIT_HTTP: '0.0.0.0:8080' } },
      'env.DATABRICKS_AUDIT_HTTP: the probes',
    ],
    [
      'no address for the probes',
      { ...working, extraEnv: [{ name: 'DATABRICKS_AUDIT_HTTP', value: 'off' }] },
      'extraEnv.DATABRICKS_AUDIT_HTTP: the probes',
    ],
    [
      'zstd over gRPC',
      { ...working, otlp: { ...working.otlp, protocol: 'grpc', compression: 'zstd' } },
      'otlp.compression: gRPC for Node.js has no zstd',
    ],
    [
      'a path over gRPC',
      { ...working, otlp: { endpoint: 'http://collector:4317/otlp', protocol: 'grpc' } },
      'otlp.endpoint: gRPC has no path',
    ],
    [
      'two that scrape every pod',
      { ...working, metrics: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } },
      'metrics: a PodMonitor and a ServiceMonitor',
    ],
    [
      'a password in the state',
      { ...working, state: 'postgres://u:p@h/d', deadLetters: 's3://b' },
      'state: the password of the database can be read in the Deployment. Put it as PGPASSWORD into a secret, name that in existingSecret',
    ],
    [
      'metrics that would be pushed over gRPC',
      { ...grpc, env: { OTEL_METRICS_EXPORTER: 'prometheus,otlp' } },
      'env.OTEL_METRICS_EXPORTER: metrics are pushed over HTTP, not gRPC. Set env.OTEL_EXPORTER_OTLP_METRICS_PROTOCOL to http/protobuf and',
    ],
    [
      'metrics over HTTP without an endpoint of their own',
      { ...grpc, env: { OTEL_METRICS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf' } },
      'env.OTEL_METRICS_EXPORTER: metrics are',
    ],
    [
      "the agent's own log over gRPC",
      { ...grpc, extraEnv: [{ name: 'DATABRICKS_AUDIT_SELF_LOGS', value: 'otlp' }] },
      "extraEnv.DATABRICKS_AUDIT_SELF_LOGS: the agent's own log cannot be sent over gRPC. Remove it",
    ],
    [
      'dead letters in a directory without a volume',
      { ...working, deadLetters: '/state/../tmp/x' },
      'deadLetters: the agent cannot write to /tmp/x, where no volume is mounted. Leave it empty for /state',
    ],
    [
      'dead letters on a volume that is mounted to read only',
      { ...working, deadLetters: '/data/x', extraVolumeMounts: [{ ...mount, readOnly: true }] },
      'deadLetters: the agent cannot write to /data/x',
    ],
    [
      'a source in a directory without a volume',
      { ...working, source: 's3://bucket,/data/logs', extraVolumeMounts: [{ ...mount, mountPath: '/dat' }] },
      'source: no volume is mounted at /data/logs. Mount one with extraVolumes and extraVolumeMounts',
    ],
    [
      'a source in a directory without a volume, as a URL',
      { ...working, source: 'file:///data/logs?mapping=databricks-audit' },
      'source: no volume is mounted at /data/logs.',
    ],
    [
      'a number that Kubernetes takes for no variable',
      { ...working, extraEnv: [{ name: 'A', value: 1 }] },
      '/extraEnv/0',
    ],
    [
      'a table with a path',
      { ...working, state: 'dynamodb://table/a', deadLetters: 's3://b' },
      'state: dynamodb:// is followed by the name of a table, and by nothing else',
    ],
    ['an unknown state', { ...working, state: 'redis://host' }, 'state: agents share a DynamoDB table or a PostgreSQL'],
    ['a misspelled value', { ...working, replica: 2 }, "'replica' not allowed"],
    [
      'an endpoint without a scheme over HTTP',
      { ...working, otlp: { endpoint: 'collector:4318' } },
      'otlp.endpoint: collector:4318 has no scheme',
    ],
    ['an endpoint of another scheme', { ...working, otlp: { endpoint: 'ftp://collector' } }, '/otlp/endpoint'],
    ['a date of another form', { ...working, start: '01.02.2026' }, '/start'],
    ['an unknown compression', { ...working, otlp: { ...working.otlp, compression: 'br' } }, '/otlp/compression'],
  ])('%s', (_, values, reason) => {
    const file = join(temporaryDirectory(), 'values.yaml');
    // Helm reads YAML 1.1, in which an unquoted `off` is a boolean.
    writeFileSync(file, stringify(values, { version: '1.1' }));
    expect(() => helmTemplate(['--values', file])).toThrow(reason);
  });

  test('a variable that the chart sets, wherever it is set again', () => {
    const shared = render('replicas-dynamodb');
    const names = agentOf(shared)
      .env.map(({ name }) => name)
      .filter((name) => name !== 'AWS_REGION');
    expect(names).toContain('OTEL_EXPORTER_OTLP_PROTOCOL');
    const file = join(temporaryDirectory(), 'values.yaml');
    const env = Object.fromEntries(names.map((name) => [name, 'x']));
    const extraEnv = names.map((name) => ({ name, value: 'x' }));
    for (const more of [{ env }, { extraEnv }]) {
      writeFileSync(file, stringify({ ...working, ...more }));
      const [where] = Object.keys(more);
      const refusal = problemsOf(() => helmTemplate(['--values', file]));
      for (const name of names) expect(refusal).toContain(`${where}.${name}: set `);
    }
  });

  test('all at once', () => {
    expect(() => helmTemplate(['--set', 'replicas=2'])).toThrow(/source: .*\n.*otlp\.endpoint: .*\n.*replicas: /);
  });
});

test('the alerts and the dashboard are those of the examples', () => {
  const resources = render('everything');
  const alerts = readFileSync(join(exampleDirectory('prometheus'), 'alerts.yaml'), 'utf8');
  expect(resources.find('PrometheusRule')[0].spec).toEqual(parse(alerts));
  const dashboard = readFileSync(join(exampleDirectory('prometheus'), 'dashboard.json'), 'utf8');
  const [configMap] = resources.find('ConfigMap');
  expect(JSON.parse(configMap.data['databricks-audit-otel.json'])).toEqual(JSON.parse(dashboard));
  expect(configMap.metadata.labels.grafana_dashboard).toBe('1');
  for (const file of ['alerts.yaml', 'dashboard.json']) {
    expect(lstatSync(join(chartDirectory, 'files', file)).isSymbolicLink(), file).toBe(true);
  }
});

test.each([
  ['everything', 'replicas:', 'kubeconform'],
  ['replicas-dynamodb', 'podMetricsEndpoints:', 'monitors'],
  ['everything', 'groups:', 'monitors'],
])('an unknown field is found with the values %s: %s misspelled', (name, field, finder) => {
  const resources = render(name);
  const yaml = resources.yaml.replace(`  ${field}`, `  x${field}`);
  expect(yaml).not.toBe(resources.yaml);
  expect(() => validateResources({ yaml })).toThrow(finder);
});

test('the packed chart contains what its links lead to, and renders the same', () => {
  const directory = temporaryDirectory();
  helm(['package', chartDirectory, '--destination', directory]);
  const [archive = ''] = globSync('*.tgz', { cwd: directory });
  const files = execFileSync('tar', ['tzf', join(directory, archive)], { encoding: 'utf8' });
  expect(files).toContain('databricks-audit-otel/files/alerts.yaml');
  expect(files).not.toContain('/ci/');
  const packed = helmTemplate(['--values', valuesFile('everything')], join(directory, archive));
  expect(packed.yaml).toBe(render('everything').yaml);
});

test('the agent ships with what its pod gives it', async () => {
  const receiver = await startOtlpReceiver();
  onTestFinished(() => receiver.close());
  const resources = render('volume');
  const shipped = await runBuiltAgent(['ship'], {
    ...resources.environmentOf(agentOf(resources)),
    DATABRICKS_AUDIT_SOURCE: sampleDelivery,
    DATABRICKS_AUDIT_START: 'earliest',
    DATABRICKS_AUDIT_STATE: temporaryDirectory(),
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
  });
  expect(shipped, shipped.stderr).toMatchObject({ code: 0 });
  expect(receiver.accepted).toHaveLength(15);
});

function problemsOf(work: () => unknown): string {
  try {
    work();
    return '';
  } catch (error) {
    return String(error);
  }
}

/** `a.b` for { a: { b: 1 } }; arrays and empty objects are values. */
function pathsOf(values: unknown, prefix = ''): readonly string[] {
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return [prefix];
  const entries = Object.entries(values);
  if (entries.length === 0) return [prefix];
  return entries.flatMap(([key, value]) => pathsOf(value, prefix === '' ? key : `${prefix}.${key}`));
}
