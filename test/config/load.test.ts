import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Environment, loadConfiguration } from '../../src/config/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const source = { DATABRICKS_AUDIT_SOURCE: 's3://audit/logs' };

function problemsOf(environment: Environment): readonly string[] {
  try {
    loadConfiguration(environment);
    return [];
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    expect(error.code).toBe('ERR_CONFIGURATION');
    return error.message.split('\n');
  }
}

describe('loadConfiguration', () => {
  it('requires only a source', () => {
    expect(loadConfiguration(source)).toMatchObject({
      sources: [{ kind: 's3', bucket: 'audit', prefix: 'logs/', pollIntervalMs: 60_000 }],
      state: { kind: 'directory', path: './state' },
      queues: [],
      deadLetters: { kind: 'directory', path: 'state/dead-letters' },
      mapping: { layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} },
      start: 'earliest',
      lookbackDays: 7,
      sweepIntervalMs: 86_400_000,
      workers: 1,
      batchLimits: { recordsMax: 512, bytesMax: 2_097_152 },
      logsExporter: 'otlp',
      otlp: { url: 'http://localhost:4318/v1/logs', protocol: 'http/protobuf', requestsInFlightMax: 4 },
      logLevel: 'info',
    });
  });

  it('takes URLs of queues, and lists buckets with one every 15 minutes', () => {
    const url = 'https://sqs.eu-central-1.amazonaws.com/123456789012/deliveries';
    const two = { DATABRICKS_AUDIT_SOURCE: 's3://audit/logs,/deliveries', DATABRICKS_AUDIT_QUEUE: url };
    expect(loadConfiguration(two)).toMatchObject({
      queues: [{ url, region: 'eu-central-1' }],
      sources: [{ pollIntervalMs: 900_000 }, { pollIntervalMs: 60_000 }],
    });
    const own = { ...two, DATABRICKS_AUDIT_POLL_INTERVAL: '5m' };
    expect(loadConfiguration(own).sources.map(({ pollIntervalMs }) => pollIntervalMs)).toEqual([300_000, 300_000]);
  });

  it.each([
    ['https://sqs.eu-west-1.amazonaws.com/1/a', 'eu-west-1'],
    ['https://sqs-fips.us-gov-west-1.amazonaws.com/1/a', 'us-gov-west-1'],
    ['https://sqs.cn-north-1.amazonaws.com.cn/1/a', 'cn-north-1'],
    ['https://vpce-0a-1b.sqs.us-east-2.vpce.amazonaws.com/1/a', 'us-east-2'],
    ['https://sqs.us-west-2.api.aws/1/a', 'us-west-2'],
    ['https://eu-west-1.queue.amazonaws.com/1/a', 'eu-west-1'],
    ['https://queue.amazonaws.com/1/a', 'us-east-1'],
    ['http://localhost:4566/000000000000/a', undefined],
  ])('knows the region of %s', (url, region) => {
    expect(loadConfiguration({ ...source, DATABRICKS_AUDIT_QUEUE: url }).queues).toEqual([{ url, region }]);
  });

  it.each([
    ['arn:aws:sqs:eu-west-1:123456789012:deliveries', 'https://sqs.eu-west-1.amazonaws.com/123456789012/deliveries'],
    ['deliveries', 'expected the URL of an SQS queue'],
    ['https://sqs.eu-west-1.amazonaws.com/deliveries', 'with account and name in its path'],
    ['https://sqs.eu-west-1.amazonaws.com/1/a?X-Amz=1', 'nothing after them'],
    ['https://sqs.eu-west-1.amazonaws.com/1/a,https://sqs.eu-west-1.amazonaws.com/1/a', 'expected each queue once'],
    ['https://key:secret@sqs.eu-west-1.amazonaws.com/1/a', 'without user name and password'],
  ])('says what is wrong with the queue %s', (queue, expected) => {
    const problems = problemsOf({ ...source, DATABRICKS_AUDIT_QUEUE: queue });
    expect(problems.join()).toContain(expected);
    expect(problems.join()).not.toContain('secret');
  });

  it('requires a bucket for a queue', () => {
    const queue = 'https://sqs.eu-west-1.amazonaws.com/1/a';
    expect(problemsOf({ DATABRICKS_AUDIT_SOURCE: '/deliveries', DATABRICKS_AUDIT_QUEUE: queue })).toEqual([
      expect.stringContaining('DATABRICKS_AUDIT_QUEUE: expected an s3:// source'),
    ]);
  });

  it('keeps dead letters in another bucket than that of the source, which a shared state requires', () => {
    const letters = (text: string) => ({ ...source, DATABRICKS_AUDIT_DEAD_LETTERS: text });
    for (const text of ['s3://letters/a/b/', 'S3://letters/a/b']) {
      expect(loadConfiguration(letters(text)).deadLetters).toEqual({
        kind: 's3',
        bucket: 'letters',
        prefix: 'a/b/',
        name: 's3://letters/a/b',
      });
    }
    expect(problemsOf(letters('s3://audit/letters')).join()).toContain(
      'expected another bucket than that of the source',
    );
    expect(problemsOf(letters('gs://letters')).join()).toContain('expected a directory, or s3://bucket/prefix');
    expect(problemsOf(letters('s3:/letters')).join()).toContain('expected a directory, or s3://bucket/prefix');
    const shared = { ...source, DATABRICKS_AUDIT_STATE: 'dynamodb://deliveries' };
    expect(problemsOf(shared)).toEqual([expect.stringContaining('got nothing')]);
    expect(problemsOf({ ...shared, DATABRICKS_AUDIT_DEAD_LETTERS: '/letters' })).toEqual([
      expect.stringContaining('"/letters"'),
    ]);
    expect(() => loadConfiguration({ ...shared, DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters' })).not.toThrow();
  });

  it.each([
    ['arn:aws:s3:::letters/audit/', ' (use s3://letters/audit/)'],
    ['arn:aws-cn:s3:::letters', ' (use s3://letters)'],
    ['arn:aws:s3:us-west-2:111122223333:accesspoint/letters', ' (use s3:// and the alias of the access point)'],
    ['arn:aws:sqs:us-west-2:111122223333:letters', ''],
  ])('keeps no dead letters in a directory called %s', (arn, hint) => {
    const letters = (text: string) => ({ ...source, DATABRICKS_AUDIT_DEAD_LETTERS: text });
    expect(problemsOf(letters(arn))).toEqual([
      `DATABRICKS_AUDIT_DEAD_LETTERS: expected a directory, or s3://bucket/prefix instead of an ARN${hint}, got "${arn}"`,
    ]);
    expect(loadConfiguration(letters(`./${arn}`)).deadLetters).toMatchObject({ kind: 'directory' });
  });

  it('reports an invalid place for dead letters once, also with a shared state', () => {
    const settings = { ...source, DATABRICKS_AUDIT_STATE: 'dynamodb://deliveries' };
    expect(problemsOf({ ...settings, DATABRICKS_AUDIT_DEAD_LETTERS: 's3://dl/letters' })).toEqual([
      expect.stringMatching(
        '^DATABRICKS_AUDIT_DEAD_LETTERS: expected a bucket name of 3 to 63 .* got "s3://dl/letters"$',
      ),
    ]);
    expect(problemsOf({ ...settings, DATABRICKS_AUDIT_DEAD_LETTERS: 'gs://letters' })).toEqual([
      expect.stringMatching('^DATABRICKS_AUDIT_DEAD_LETTERS: expected .* got "gs://letters"$'),
    ]);
  });

  it('requires no source of a program that has its own, and still parses those that are set', () => {
    const load = (environment: Environment) => loadConfiguration(environment, { hasOwnSources: true });
    expect(load({}).sources).toEqual([]);
    expect(load({ DATABRICKS_AUDIT_SOURCE: '' }).sources).toEqual([]);
    expect(load(source).sources).toMatchObject([{ kind: 's3', bucket: 'audit' }]);
    expect(() => load({ DATABRICKS_AUDIT_SOURCE: 'hdfs://bucket' })).toThrow(/^DATABRICKS_AUDIT_SOURCE: expected s3:/);
  });

  it('reports all problems at once: the variable, what was expected and its value', () => {
    const problems = problemsOf({
      DATABRICKS_AUDIT_SOURCE: 'hdfs://bucket',
      DATABRICKS_AUDIT_POLL_INTERVAL: '60',
      DATABRICKS_AUDIT_START: '2026-02-30',
      DATABRICKS_AUDIT_BATCH_RECORDS: 'many',
      OTEL_LOG_LEVEL: 'loud',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift',
    });
    expect(problems).toEqual([
      expect.stringMatching(/^DATABRICKS_AUDIT_SOURCE: expected s3:.*got "hdfs:\/\/bucket"$/),
      'DATABRICKS_AUDIT_POLL_INTERVAL: expected a duration of at least 1s with a unit (ms, s, m, h, d), such as 60s, got "60"',
      'DATABRICKS_AUDIT_START: expected earliest, now, or a date such as 2026-01-31, got "2026-02-30"',
      'DATABRICKS_AUDIT_BATCH_RECORDS: expected a whole number from 1 to 100000, got "many"',
      'OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, http/json or grpc, got "thrift"',
      expect.stringMatching(/^OTEL_LOG_LEVEL: expected one of .*, got "loud"$/),
    ]);
  });

  it('accepts a number of workers or auto for one per core, and uses one with the console exporter', () => {
    const workersOf = (text: string, more: Environment = {}) =>
      loadConfiguration({ ...source, ...more, DATABRICKS_AUDIT_WORKERS: text }).workers;
    expect(workersOf('3')).toBe(3);
    expect(workersOf('auto')).toBe(Math.min(availableParallelism(), 64));
    expect(workersOf('3', { OTEL_LOGS_EXPORTER: 'console' })).toBe(1);
    for (const text of ['0', '65', 'many', '1.5']) {
      expect(problemsOf({ ...source, DATABRICKS_AUDIT_WORKERS: text })).toEqual([
        `DATABRICKS_AUDIT_WORKERS: expected a whole number from 1 to 64, or auto, got "${text}"`,
      ]);
    }
  });

  it('reports a missing source, and treats an empty value as unset', () => {
    for (const environment of [{}, { DATABRICKS_AUDIT_SOURCE: '' }]) {
      expect(problemsOf(environment)).toEqual([
        expect.stringMatching(/^DATABRICKS_AUDIT_SOURCE: expected .*, got nothing$/),
      ]);
    }
    expect(loadConfiguration({ ...source, DATABRICKS_AUDIT_LOOKBACK: ' ' }).lookbackDays).toBe(7);
  });

  it('does not reveal headers or passwords', () => {
    const problems = problemsOf({
      ...source,
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization Bearer hunter2',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://user:hun/hunter2@collector?token=hunter2',
    });
    expect(problems).toHaveLength(2);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('gives the service name precedence over the resource attributes', () => {
    const { mapping } = loadConfiguration({
      ...source,
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=a,deployment.environment.name=prod%2Ceu',
      OTEL_SERVICE_NAME: 'b',
    });
    expect(mapping.resourceAttributes).toEqual({ 'service.name': 'b', 'deployment.environment.name': 'prod,eu' });
    expect(problemsOf({ ...source, OTEL_RESOURCE_ATTRIBUTES: 'no-pair' })).toHaveLength(1);
  });

  it.each([
    ['500ms', undefined],
    ['1s', 1000],
    ['15m', 900_000],
    ['24h', 86_400_000],
    ['7d', 604_800_000],
    ['0', undefined],
    ['1w', undefined],
    ['-1s', undefined],
    ['1.5s', undefined],
  ])('reads a poll interval of %s as %s milliseconds', (text, expected) => {
    const environment = { ...source, DATABRICKS_AUDIT_POLL_INTERVAL: text };
    if (expected === undefined) expect(problemsOf(environment)).toHaveLength(1);
    else expect(loadConfiguration(environment).sources[0]?.pollIntervalMs).toBe(expected);
  });

  it('says the shortest duration in the unit in which it is written', () => {
    expect(problemsOf({ ...source, DATABRICKS_AUDIT_LOOKBACK: '0d' })).toEqual([
      'DATABRICKS_AUDIT_LOOKBACK: expected a duration of at least 1d with a unit (ms, s, m, h, d), such as 7d, got "0d"',
    ]);
    expect(problemsOf({ ...source, DATABRICKS_AUDIT_LATE_AFTER: '1w' })).toEqual([
      expect.stringContaining('of at least 0s with a unit'),
    ]);
  });

  it('polls each source at its own interval, and the others at the one for all', () => {
    const { sources } = loadConfiguration({
      DATABRICKS_AUDIT_SOURCE: 's3://audit/a?poll=5m,s3://audit/b,/deliveries',
      DATABRICKS_AUDIT_POLL_INTERVAL: '2m',
    });
    expect(sources.map(({ pollIntervalMs }) => pollIntervalMs)).toEqual([300_000, 120_000, 120_000]);
  });

  it('accepts 0 to turn sweeps off', () => {
    expect(loadConfiguration({ ...source, DATABRICKS_AUDIT_SWEEP_INTERVAL: '0' }).sweepIntervalMs).toBe(0);
  });
});

it.each([
  ['DATABRICKS_AUDIT_SOURCE', '"s3://audit/logs"'],
  ['DATABRICKS_AUDIT_SOURCE', '"s3://audit/a","s3://audit/b"'],
  ['DATABRICKS_AUDIT_STATE', "'/state'"],
  ['DATABRICKS_AUDIT_POLL_INTERVAL', '"5m"'],
  ['OTEL_EXPORTER_OTLP_HEADERS', '"authorization=hunter2"'],
  ['AWS_REGION', '"us-east-1"'],
  ['AWS_SECRET_ACCESS_KEY', '"hunter2"'],
  ['https_proxy', '"http://user:hunter2@proxy:3128"'],
])('refuses quotes around %s, as env files of Docker keep them', (name, value) => {
  const problems = problemsOf({ ...source, [name]: value });
  expect(problems).toEqual([expect.stringMatching(`^${name}: expected a value without quotes around it`)]);
  expect(problems.join()).not.toContain('hunter2');
});

it('reports mistakes in mapping files together with all other problems', () => {
  const file = join(temporaryDirectory(), 'ours.yaml');
  writeFileSync(file, 'keep: 2\nnonsense: 1\n');
  const mapping = {
    DATABRICKS_AUDIT_SOURCE: `s3://audit/a,s3://audit/b?mapping=databricks-audit%2Cother`,
    DATABRICKS_AUDIT_MAPPING: `databricks-audit,${file}`,
  };
  expect(problemsOf(mapping)).toEqual([]);
  expect(problemsOf({ ...mapping, DATABRICKS_AUDIT_WORKERS: 'many' })).toEqual([
    expect.stringMatching('^DATABRICKS_AUDIT_WORKERS: expected '),
    expect.stringMatching(`^DATABRICKS_AUDIT_MAPPING: ${file}:1:1: keep: expected `),
    expect.stringMatching(`^DATABRICKS_AUDIT_MAPPING: ${file}:2:1: nonsense: expected `),
    expect.stringMatching('^DATABRICKS_AUDIT_SOURCE: expected one of the built-in mappings .* got "other"$'),
  ]);
});

it('refuses a comma between the layers of a source, after which a layer would be another source', () => {
  const problemOf = (layer: string) =>
    `DATABRICKS_AUDIT_SOURCE: expected %2C between the layers of ?mapping=, because a comma begins another source, got "${layer}"`;
  const mapped = 's3://audit/logs?poll=5m&mapping=databricks-audit';
  expect(problemsOf({ DATABRICKS_AUDIT_SOURCE: `${mapped},loki,./ours.yaml` })).toEqual([
    problemOf('loki'),
    problemOf('./ours.yaml'),
  ]);
  const shared = { DATABRICKS_AUDIT_STATE: 'dynamodb://deliveries', DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters' };
  expect(problemsOf({ ...shared, DATABRICKS_AUDIT_SOURCE: `${mapped},loki` })).toEqual([problemOf('loki')]);
  expect(problemsOf({ DATABRICKS_AUDIT_SOURCE: `${mapped}%2Cloki%2C./ours.yaml,/deliveries` })).toEqual([]);
  expect(problemsOf({ DATABRICKS_AUDIT_SOURCE: 's3://audit/logs,loki' })).toEqual([]);
});

it('refuses a comma between the workspaces of a table, after which an id would be another source', () => {
  const problemOf = (id: string) =>
    `DATABRICKS_AUDIT_SOURCE: expected %2C between the ids of ?workspaces=, because a comma begins another source, got "${id}"`;
  const table = 'databricks://dbc-a1b2.cloud.databricks.com/1234567890abcdef?workspaces=1';
  const shared = { DATABRICKS_AUDIT_STATE: 'dynamodb://deliveries', DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters' };
  const token = { DATABRICKS_TOKEN: 'dapi0123' };
  for (const state of [{}, shared]) {
    const problems = (text: string) => problemsOf({ ...state, ...token, DATABRICKS_AUDIT_SOURCE: text });
    expect(problems(`${table},2, 3&poll=2h`)).toEqual([problemOf('2'), problemOf('3&poll=2h')]);
    expect(problems(`${table}%2C2`)).toEqual([]);
  }
  const withoutList = table.replace('?workspaces=1', '');
  expect(problemsOf({ ...token, DATABRICKS_AUDIT_SOURCE: `${withoutList},2` })).toEqual([]);
});

it('refuses a URL as a mapping, without its password', () => {
  const url = 'https://user:hunter2@host/ours.yaml';
  const expected = 'expected a comma-separated list of built-in names and paths, got "https://***@host/ours.yaml"';
  expect(problemsOf({ ...source, DATABRICKS_AUDIT_MAPPING: url })).toEqual([`DATABRICKS_AUDIT_MAPPING: ${expected}`]);
  const problems = problemsOf({ DATABRICKS_AUDIT_SOURCE: `s3://audit/a?mapping=${encodeURIComponent(url)}` });
  expect(problems).toEqual([expect.stringContaining('mapping: expected names or paths of mapping layers')]);
  expect(problems.join()).not.toContain('hunter2');
});

it('reports quotes around the name of a mapping once', () => {
  expect(problemsOf({ ...source, DATABRICKS_AUDIT_MAPPING: '"databricks-audit"' })).toHaveLength(1);
});

it('refuses the ARN of an access point together with an endpoint of its own', () => {
  const accessPoint = { DATABRICKS_AUDIT_SOURCE: 'arn:aws:s3:us-west-2:111122223333:accesspoint/audit/logs' };
  expect(problemsOf(accessPoint)).toEqual([]);
  expect(problemsOf({ ...accessPoint, AWS_ENDPOINT_URL_S3: 'http://minio:9000' })).toEqual([
    expect.stringContaining('expected the alias of the access point instead of its ARN'),
  ]);
});

it.each([
  ['AWS_ENDPOINT_URL', {}],
  ['AWS_ENDPOINT_URL_S3', {}],
  ['AWS_ENDPOINT_URL_SQS', { DATABRICKS_AUDIT_QUEUE: 'https://sqs.us-east-1.amazonaws.com/111122223333/audit' }],
  [
    'AWS_ENDPOINT_URL_DYNAMODB',
    { DATABRICKS_AUDIT_STATE: 'dynamodb://deliveries', DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters' },
  ],
])('refuses an endpoint in %s without a scheme, if the service is used', (name, used) => {
  for (const endpoint of ['minio', 'minio:9000', '127.0.0.1:9000', 'ftp://minio:9000']) {
    expect(problemsOf({ ...source, ...used, [name]: endpoint })).toEqual([
      `${name}: expected the URL of a server such as https://minio.example.com:9000, got "${endpoint}"`,
    ]);
    expect(problemsOf({ DATABRICKS_AUDIT_SOURCE: '/deliveries', [name]: endpoint })).toEqual([]);
  }
  for (const endpoint of ['', 'http://minio:9000', 'HTTPS://minio.example.com/path']) {
    expect(problemsOf({ ...source, ...used, [name]: endpoint })).toEqual([]);
  }
  expect(problemsOf({ ...source, ...used, [name]: '"http://minio:9000"' })).toHaveLength(1);
  expect(problemsOf({ ...source, ...used, [name]: 'ftp://user:hunter2@minio' }).join()).not.toContain('hunter2');
});

it('reports a proxy that cannot be used, without its password', () => {
  const problems = problemsOf({ ...source, https_proxy: 'socks5://user:hunter2@proxy:1080' });
  expect(problems).toEqual([
    'HTTPS_PROXY: expected the URL of a proxy such as http://proxy.example.com:3128; SOCKS is not supported',
  ]);
});

describe('a misspelled variable', () => {
  it.each([
    ['DATABRICKS_AUDIT_REDCAT', 'DATABRICKS_AUDIT_REDACT'],
    ['DATABRICKS_AUDIT_POLL_INTERVALL', 'DATABRICKS_AUDIT_POLL_INTERVAL'],
    ['DATABRICKS_AUDIT_POLLINTERVAL', 'DATABRICKS_AUDIT_POLL_INTERVAL'],
    ['DATABRICKS_AUDIT_POLL', 'DATABRICKS_AUDIT_POLL_INTERVAL'],
    ['DATABRICKS_AUDIT_SOURCES', 'DATABRICKS_AUDIT_SOURCE'],
    ['DATABRICK_AUDIT_REDACT', 'DATABRICKS_AUDIT_REDACT'],
    ['DATABRICKS_AUDT_REDACT', 'DATABRICKS_AUDIT_REDACT'],
    ['databricks_audit_redact', 'DATABRICKS_AUDIT_REDACT'],
    ['OTEL_EXPORTER_OTLP_ENDPIONT', 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    ['OTEL_EXPORTER_OTLP_HEADER', 'OTEL_EXPORTER_OTLP_HEADERS'],
    ['OTEL_LOG_EXPORTER', 'OTEL_LOGS_EXPORTER'],
  ])('such as %s is a problem, with %s as the suggestion', (name, closest) => {
    expect(problemsOf({ ...source, [name]: 'secrets' })).toEqual([
      `${name}: expected a known variable; did you mean ${closest}?`,
    ]);
  });

  it('is reported with all other problems, without its value, which may be a secret', () => {
    const problems = problemsOf({
      DATABRICKS_AUDIT_POLL_INTERVAL: '60',
      DATABRICKS_AUDIT_AGAINST_HEADRS: 'authorization=hunter2',
      DATABRICKS_AUDIT_TRANSMOGRIFY: 'hunter2',
    });
    expect(problems).toHaveLength(4);
    expect(problems).toContain('DATABRICKS_AUDIT_TRANSMOGRIFY: expected a known variable');
    expect(problems.join()).not.toContain('hunter2');
  });

  it('is not confused with what Kubernetes sets for a Service', () => {
    for (const service of ['DATABRICKS_AUDIT', 'DATABRICKS_AUDIT_OTEL', 'DATABRICKS_AUDIT_HTTP']) {
      const environment = {
        [`${service}_SERVICE_HOST`]: '10.0.0.1',
        [`${service}_SERVICE_PORT`]: '9464',
        [`${service}_SERVICE_PORT_HTTP`]: '9464',
        [`${service}_PORT`]: 'tcp://10.0.0.1:9464',
        [`${service}_PORT_9464_TCP`]: 'tcp://10.0.0.1:9464',
        [`${service}_PORT_9464_TCP_PROTO`]: 'tcp',
        [`${service}_PORT_9464_TCP_PORT`]: '9464',
        [`${service}_PORT_9464_TCP_ADDR`]: '10.0.0.1',
      };
      expect(problemsOf({ ...source, ...environment })).toEqual([]);
    }
    expect(problemsOf({ ...source, DATABRICKS_AUDIT_HTTP_PORT: '9464' })).toHaveLength(1);
  });

  const table = {
    DATABRICKS_AUDIT_SOURCE: 'databricks://example.cloud.databricks.com/abc123',
    DATABRICKS_TOKEN: 'hunter2',
    HOME: '/nowhere',
  };

  it.each([
    ['DATABRICKS_HOTS', 'DATABRICKS_HOST'],
    ['DATABRICKS_WAREHOUSEID', 'DATABRICKS_WAREHOUSE_ID'],
    ['DATABRICKS_WAREHOSUE_ID', 'DATABRICKS_WAREHOUSE_ID'],
    ['DATABRICK_CLIENT_SECRET', 'DATABRICKS_CLIENT_SECRET'],
    ['databricks_config_profile', 'DATABRICKS_CONFIG_PROFILE'],
  ])('such as %s is a problem with a source in Databricks, and no other', (name, closest) => {
    const expected = `${name}: expected a known variable; did you mean ${closest}?`;
    expect(problemsOf({ ...table, [name]: 'hunter2' })).toEqual([expected]);
    expect(problemsOf({ ...source, [name]: 'hunter2' })).toEqual([]);
  });

  it('is named before what is missing because of it', () => {
    const misspelled = { ...table, DATABRICKS_AUDIT_SOURCE: 'databricks://', DATABRICKS_HOTS: 'example.com' };
    expect(problemsOf(misspelled)).toEqual([
      'DATABRICKS_HOTS: expected a known variable; did you mean DATABRICKS_HOST?',
      expect.stringMatching('^DATABRICKS_HOST: expected the URL of a workspace'),
      expect.stringMatching('^DATABRICKS_WAREHOUSE_ID: expected the id of a SQL warehouse'),
    ]);
  });

  /** https://docs.databricks.com/aws/en/dev-tools/auth/env-vars, and those of the SDKs, the SQL connectors and the runtime. */
  it.each([
    'DATABRICKS_ACCOUNT_ID',
    'DATABRICKS_CLUSTER_ID',
    'DATABRICKS_WORKSPACE_ID',
    'DATABRICKS_SERVERLESS_COMPUTE_ID',
    'DATABRICKS_METADATA_SERVICE_URL',
    'DATABRICKS_USERNAME',
    'DATABRICKS_PASSWORD',
    'DATABRICKS_OAUTH_CALLBACK_PORT',
    'DATABRICKS_GOOGLE_SERVICE_ACCOUNT',
    'DATABRICKS_AZURE_RESOURCE_ID',
    'DATABRICKS_AZURE_LOGIN_APP_ID',
    'DATABRICKS_DISABLE_OAUTH_REFRESH_TOKEN',
    'DATABRICKS_CLI_PATH',
    'DATABRICKS_OIDC_TOKEN_FILEPATH',
    'DATABRICKS_OIDC_TOKEN_ENV',
    'DATABRICKS_DEBUG_TRUNCATE_BYTES',
    'DATABRICKS_DEBUG_HEADERS',
    'DATABRICKS_RATE_LIMIT',
    'DATABRICKS_TOKEN_AUDIENCE',
    'DATABRICKS_EXPERIMENTAL_IS_UNIFIED_HOST',
    'DATABRICKS_DISCOVERY_URL',
    'DATABRICKS_SERVER_HOSTNAME',
    'DATABRICKS_HTTP_PATH',
    'DATABRICKS_ACCESS_TOKEN',
    'DATABRICKS_RUNTIME_VERSION',
    'DATABRICKS_BUNDLE_ENV',
  ])("is not %s, which is one of Databricks' own", (name) => {
    expect(problemsOf({ ...table, [name]: 'hunter2' })).toEqual([]);
  });

  it('is nothing that other programs read', () => {
    const others = {
      DATABRICKS_HOST: 'https://example.com',
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://localhost:4318',
      OTEL_EXPORTER_OTLP_METRICS_HEADERS: 'a=b',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_BLRP_SCHEDULE_DELAY: '1000',
    };
    expect(problemsOf({ ...source, ...others })).toEqual([]);
  });
});

describe('a state that replicas share', () => {
  const shared = { ...source, DATABRICKS_AUDIT_DEAD_LETTERS: 's3://letters/audit' };

  it('is named by its scheme', () => {
    const stateOf = (text: string) => loadConfiguration({ ...shared, DATABRICKS_AUDIT_STATE: text }).state;
    expect(stateOf('dynamodb://audit-state')).toEqual({ kind: 'dynamodb', table: 'audit-state' });
    const url = 'postgresql://agent:p%40ss@db.example:5433/audit?sslmode=require';
    expect(stateOf(url)).toMatchObject({ kind: 'postgres', host: 'db.example', port: 5433, password: 'p@ss' });
    expect(stateOf('/var/lib/state')).toEqual({ kind: 'directory', path: '/var/lib/state' });
  });

  const expectedTable =
    'expected dynamodb:// and the name of a table, 3 to 255 letters, digits, dots, hyphens and underscores, and nothing else';

  it.each([
    ['dynamodb://', expectedTable],
    ['dynamodb://t1', expectedTable],
    ['dynamodb://eu-central-1/table', expectedTable],
    ['redis://cache', 'expected a directory, dynamodb:// or postgres://'],
    ['dynamodb:/table', 'expected a directory, or dynamodb:// or postgres:// with two slashes'],
    [
      'arn:aws:dynamodb:us-east-1:111122223333:table/deliveries',
      'expected a directory, dynamodb:// or postgres:// instead of an ARN (use dynamodb://deliveries)',
    ],
    ['arn:aws:s3:::state', 'expected a directory, dynamodb:// or postgres:// instead of an ARN'],
  ])('is not %s', (text, problem) => {
    const problems = problemsOf({ ...shared, DATABRICKS_AUDIT_STATE: text });
    expect(problems).toEqual([`DATABRICKS_AUDIT_STATE: ${problem}, got ${JSON.stringify(text)}`]);
  });

  it('keeps its password out of settings and messages', () => {
    const text = 'postgres://agent:geheim@db.example/audit';
    const { settings } = loadConfiguration({ ...shared, DATABRICKS_AUDIT_STATE: text });
    expect(JSON.stringify(settings)).not.toContain('geheim');
    for (const mistake of [text.replace('postgres', 'mysql'), text.replace('//', '/'), text.replace('//', '')]) {
      const problems = problemsOf({ ...shared, DATABRICKS_AUDIT_STATE: mistake });
      expect(problems).toEqual([expect.not.stringContaining('geheim')]);
    }
  });

  it('needs a place for dead letters that outlives a replica, and no directory as a source', () => {
    const state = { DATABRICKS_AUDIT_STATE: 'dynamodb://audit-state' };
    expect(problemsOf({ ...source, ...state })).toEqual([expect.stringContaining('DATABRICKS_AUDIT_DEAD_LETTERS: ')]);
    const directory = { ...shared, ...state, DATABRICKS_AUDIT_SOURCE: '/var/log/audit' };
    expect(problemsOf(directory)).toEqual([expect.stringContaining('DATABRICKS_AUDIT_SOURCE: expected no directory')]);
  });
});

describe('records over gRPC', () => {
  const grpc = { DATABRICKS_AUDIT_SOURCE: '/deliveries', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };
  const pushed = { ...grpc, OTEL_METRICS_EXPORTER: 'prometheus,otlp' };
  const metricsEndpoint = { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://localhost:4318/v1/metrics' };

  it('need settings of their own for pushed metrics, and none for scraped ones', () => {
    expect(() => loadConfiguration(pushed)).toThrow(/OTEL_METRICS_EXPORTER: .*OTEL_EXPORTER_OTLP_METRICS_ENDPOINT/);
    expect(() => loadConfiguration({ ...pushed, ...metricsEndpoint })).toThrow(/OTEL_METRICS_EXPORTER: /);
    const complete = { ...pushed, ...metricsEndpoint, OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: 'http/protobuf' };
    expect(loadConfiguration(complete).otlp.protocol).toBe('grpc');
    expect(loadConfiguration(grpc)).toMatchObject({ otlp: { url: 'http://localhost:4317' } });
    const logsOnly = {
      ...pushed,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
      OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'grpc',
    };
    expect(loadConfiguration({ ...logsOnly, OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://a:4317' }).otlp.protocol).toBe(
      'grpc',
    );
    expect(() => loadConfiguration({ ...logsOnly, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4317' })).toThrow(
      /OTEL_METRICS_EXPORTER: .*OTEL_EXPORTER_OTLP_METRICS_ENDPOINT/,
    );
  });

  it("exclude sending the agent's own log", () => {
    const environment = { ...grpc, DATABRICKS_AUDIT_SELF_LOGS: 'otlp' };
    expect(() => loadConfiguration(environment)).toThrow(/DATABRICKS_AUDIT_SELF_LOGS: expected stderr, .* got "otlp"/);
  });
});
