import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SourceLocation } from '../../src/sources/index.ts';
import { sourceOptions } from '../../src/sources/options.ts';
import { parseSourceParameters } from '../../src/sources/source-parameters.ts';

const host = 'acme.blob.core.windows.net';
const expectedLocation =
  'expected s3://bucket/prefix, az://<account>.blob.core.windows.net/<container>/<prefix>, gs://bucket/prefix, a directory or a file:// URL';
const accessPoint = 'arn:aws:s3:us-west-2:111122223333:accesspoint/audit';

describe('DATABRICKS_AUDIT_SOURCE', () => {
  test.each([
    ['s3://my-bucket', [s3('my-bucket', '', 's3://my-bucket')]],
    ['s3://my-bucket/', [s3('my-bucket', '', 's3://my-bucket')]],
    ['s3://my.bucket.1/a/b', [s3('my.bucket.1', 'a/b/', 's3://my.bucket.1/a/b')]],
    ['S3://my-bucket/a/', [s3('my-bucket', 'a/', 's3://my-bucket/a')]],
    ['arn:aws:s3:::my-bucket', [s3('my-bucket', '', 's3://my-bucket')]],
    ['arn:aws-us-gov:s3:::my-bucket/a/b/', [s3('my-bucket', 'a/b/', 's3://my-bucket/a/b')]],
    ['s3://arn:aws:s3:::my-bucket/a', [s3('my-bucket', 'a/', 's3://my-bucket/a')]],
    [accessPoint, [s3(accessPoint, '', `s3://${accessPoint}`)]],
    [`${accessPoint}/a/b`, [s3(accessPoint, 'a/b/', `s3://${accessPoint}/a/b`)]],
    [`${accessPoint}/object/a/`, [s3(accessPoint, 'a/', `s3://${accessPoint}/a`)]],
    [`s3://${accessPoint}/a`, [s3(accessPoint, 'a/', `s3://${accessPoint}/a`)]],
    ['gs://my-bucket/a/b/', [gcs('my-bucket', 'a/b/', 'gs://my-bucket/a/b')]],
    ['s3://my-bucket//a', [s3('my-bucket', '/a/', 's3://my-bucket//a')]],
    ['s3://my-bucket//', [s3('my-bucket', '/', 's3://my-bucket//')]],
    ['s3://my-bucket/a//', [s3('my-bucket', 'a//', 's3://my-bucket/a//')]],
    ['arn:aws:s3:::my-bucket//a/', [s3('my-bucket', '/a/', 's3://my-bucket//a')]],
    [`${accessPoint}//a`, [s3(accessPoint, '/a/', `s3://${accessPoint}//a`)]],
    ['gs://my-bucket//a//', [gcs('my-bucket', '/a//', 'gs://my-bucket//a//')]],
    [`az://${host}//logs//a`, [azure('logs', '/a/', `az://${host}//logs//a`)]],
    [`az://${host}/logs/a//`, [azure('logs', 'a//', `az://${host}/logs/a//`)]],
    [`az://${host}/insights-logs-jobs//`, [azure('insights-logs-jobs', '', `az://${host}/insights-logs-jobs`)]],
    ['az://logs//a', [{ ...azure('logs', '/a/', 'az://logs//a'), account: undefined, endpoint: undefined }]],
    [
      's3://my-bucket,s3://my-bucket//a',
      [s3('my-bucket', '', 's3://my-bucket'), s3('my-bucket', '/a/', 's3://my-bucket//a')],
    ],
    ['gs://my_bucket.example.com', [gcs('my_bucket.example.com', '', 'gs://my_bucket.example.com')]],
    [`az://${host}`, [azure(undefined, '', `az://${host}`)]],
    [`az://${host}/`, [azure(undefined, '', `az://${host}`)]],
    [`az://${host}/logs/a/b/`, [azure('logs', 'a/b/', `az://${host}/logs/a/b`)]],
    [`https://${host}/logs/a%20b`, [azure('logs', 'a b/', `https://${host}/logs/a%20b`)]],
    [
      'https://acme.dfs.core.windows.net/insights-logs-jobs/resourceId%3D/SUBSCRIPTIONS',
      [
        azure(
          'insights-logs-jobs',
          'resourceId=/SUBSCRIPTIONS/',
          'https://acme.dfs.core.windows.net/insights-logs-jobs/resourceId%3D/SUBSCRIPTIONS',
        ),
      ],
    ],
    ['abfss://logs@acme.dfs.core.windows.net/a', [azure('logs', 'a/', 'abfss://logs@acme.dfs.core.windows.net/a')]],
    ['az://logs/a', [{ ...azure('logs', 'a/', 'az://logs/a'), account: undefined, endpoint: undefined }]],
    [
      'az://acme.blob.core.usgovcloudapi.net/logs',
      [
        {
          ...azure('logs', '', 'az://acme.blob.core.usgovcloudapi.net/logs'),
          endpoint: 'https://acme.blob.core.usgovcloudapi.net',
        },
      ],
    ],
    [
      'az://acme.blob.core.windows.net/logs,az://acme.blob.core.windows.net',
      [azure('logs', '', 'az://acme.blob.core.windows.net/logs'), azure(undefined, '', `az://${host}`)],
    ],
    ['/var/logs', [directory('/var/logs', '/var/logs')]],
    ['./a:b', [directory(resolve('a:b'), './a:b')]],
    ['./logs/', [directory(resolve('logs'), './logs/')]],
    ['file:///var/a%2Cb', [directory('/var/a,b', 'file:///var/a%2Cb')]],
    ['/a, s3://my-bucket/b', [directory('/a', '/a'), s3('my-bucket', 'b/', 's3://my-bucket/b')]],
    [
      's3://my-bucket,s3://my-bucket/account',
      [s3('my-bucket', '', 's3://my-bucket'), s3('my-bucket', 'account/', 's3://my-bucket/account')],
    ],
    ['/a/b,/a/bc', [directory('/a/b', '/a/b'), directory('/a/bc', '/a/bc')]],
  ])('accepts %s', (text, locations) => {
    expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse(text)).toEqual(locations);
  });

  test.each([
    [undefined, expectedLocation],
    ['', expectedLocation],
    ['/a,,/b', 'between the commas'],
    ['hdfs://bucket/a', '(hdfs:// is not supported)'],
    ['gcs://bucket/a', '(use gs:// instead of gcs://)'],
    ['gs://My_Bucket/a', 'not "My_Bucket"'],
    ['gs://gb/a', 'expected a bucket name of at least 3 lower-case letters'],
    ['gs://bucket/workspaceId=*/', 'without wildcards'],
    ['gs://bucket/a,gs://bucket/a/workspaceId=1', 'gs://bucket/a/workspaceId=1 is inside gs://bucket/a'],
    [
      'wasbs://logs@acme.blob.core.windows.net/a',
      '(use abfss://<container>@<account>.dfs.core.windows.net/<prefix> instead of wasbs://)',
    ],
    ['abfs://logs@acme.dfs.core.windows.net/a', 'instead of abfs://'],
    ['adl://acme.azuredatalakestore.net/a', 'Azure Data Lake Storage Gen1 has ended; use abfss://'],
    ['azure://logs/a', '(use az:// instead of azure://)'],
    ['az://', 'or az://<container>/<prefix>'],
    ['az://acme.example.com/logs', 'expected the blob endpoint of a storage account'],
    ['az://user:secret@acme.blob.core.windows.net/logs', 'not "***@acme.blob.core.windows.net"'],
    ['az://acme.blob.core.windows.net/My_Logs', 'not "My_Logs"'],
    ['az://acme.blob.core.windows.net/a--b', 'single hyphens'],
    ['az://acme.blob.core.windows.net/logs/*', 'without wildcards'],
    [
      'az://acme.blob.core.windows.net/insights-logs-jobs/audit',
      'expected a prefix of resourceId=/SUBSCRIPTIONS/<name>',
    ],
    ['abfss://acme.dfs.core.windows.net/logs', 'expected abfss://<container>@<account>.dfs.core.windows.net/<prefix>'],
    [
      'az://acme.blob.core.windows.net/logs?sv=1&sp=rl&sig=x',
      'a shared access signature belongs into AZURE_STORAGE_SAS_TOKEN',
    ],
    ['az://acme.blob.core.windows.net,abfss://insights-logs-jobs@acme.dfs.core.windows.net', 'is inside az://acme'],
    [
      'az://acme.blob.core.windows.net/logs,https://acme.blob.core.windows.net/logs/date=2026-01-01',
      'is inside az://acme',
    ],
    ['s3a://bucket/a', '(use s3:// instead of s3a://)'],
    ['https://minio:9000/bucket', 'use s3:// and set AWS_ENDPOINT_URL_S3 to its https:// address'],
    ['s3://', 'expected a bucket name'],
    ['"s3://bucket/a"', 'without quotes'],
    ["s3://bucket/a, 's3://bucket/b'", 'without quotes'],
    ['\u201cs3://bucket/a\u201d', 'without quotes'],
    ['"/var/logs', 'without quotes'],
    ['s3:/bucket/a', '(use s3://bucket/a)'],
    ['s3:bucket/a', '(use s3://bucket/a)'],
    ['s3//bucket/a', '(use s3://bucket/a)'],
    ['S3:/bucket', '(use s3://bucket)'],
    ['s3a:/bucket', '(use s3://bucket)'],
    ['dbfs:/mnt/audit', 'use the s3:// location of its bucket'],
    ['dbfs://mnt/audit', 'use the s3:// location of its bucket'],
    ['abfss:/container/a', 'for a directory with this name, use ./abfss:/container/a'],
    ['file:/var/logs', '(use file:///var/logs)'],
    ['arn:aws:s3:::My_Bucket/a', 'not "My_Bucket"'],
    ['arn:aws:s3:::bucket/a/*', 'without wildcards'],
    ['arn:aws:iam::111122223333:role/audit', 'expected the ARN of a bucket'],
    ['arn:aws:s3-object-lambda:us-west-2:111122223333:accesspoint/a', 'expected the ARN of a bucket'],
    ['arn:aws:s3::111122223333:accesspoint/a.mrap', 'Multi-Region Access Points are not supported'],
    ['s3://bucket/a?requester-pays=true', 'Requester Pays buckets are not supported'],
    ['s3://bucket/a?request-payer=requester', 'Requester Pays buckets are not supported'],
    ['s3://bucket/a?sse-c-key=x', 'SSE-C is not supported'],
    [`${accessPoint}/a,s3://${accessPoint}/a`, 'is inside'],
    ['s3://My_Bucket/a', 'not "My_Bucket"'],
    ['s3://bucket/workspaceId=*/', 'without wildcards'],
    ['file://host/path', 'expected a file:// URL with an absolute path'],
    ['/a\u001b[31m', 'without control characters'],
    ['/a,/a', '/a is inside /a'],
    ['/a/b/c,/a', '/a/b/c is inside /a'],
    ['s3://bucket/a,s3://bucket/a/', 's3://bucket/a is inside s3://bucket/a'],
    ['s3://bucket/a,s3://bucket/a/workspaceId=1', 's3://bucket/a/workspaceId=1 is inside s3://bucket/a'],
    ['s3://bucket/a?poll=1m,s3://bucket/a?poll=5m', 's3://bucket/a is inside s3://bucket/a'],
    ['/a,file:///a/b', 'file:///a/b is inside /a'],
  ])('rejects %j and says what it expects', (text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(message)]);
  });

  test.each(['s3', 'gs'])('does not name a bucket if %s:// has none', (scheme) => {
    for (const text of [`${scheme}://`, `${scheme}:///a`]) {
      expect(problemsOf(text)).toEqual([
        expect.stringMatching(`^expected a bucket name .* in ${scheme}://bucket/prefix$`),
      ]);
    }
  });

  test('reports all problems in a list at once', () => {
    expect(problemsOf('hdfs://a,s3://B,/c,/c/d')[0]?.split('; ')).toHaveLength(3);
  });

  test('reports an overlap once', () => {
    expect(problemsOf('/c,/c')[0]?.split('; ')).toHaveLength(1);
  });
});

describe.each([
  ['s3://', 's3://my-bucket/a', s3('my-bucket', 'a/', 's3://my-bucket/a')],
  ['gs://', 'gs://my-bucket/a', gcs('my-bucket', 'a/', 'gs://my-bucket/a')],
  ['az://', `az://${host}/logs/a`, azure('logs', 'a/', `az://${host}/logs/a`)],
  ['https://', `https://${host}/logs/a`, azure('logs', 'a/', `https://${host}/logs/a`)],
  ['file://', 'file:///var/logs', directory('/var/logs', 'file:///var/logs')],
])('the parameters of an %s URL', (_, url, location) => {
  test.each([
    ['?poll=5m', { pollIntervalMs: 300_000 }],
    ['?poll=1s', { pollIntervalMs: 1_000 }],
    ['?mapping=a%2Cb', { mapping: 'a,b' }],
    ['?mapping=databricks-audit%2C./ours.yaml', { mapping: 'databricks-audit,./ours.yaml' }],
    ['?mapping=a&poll=5m', { mapping: 'a', pollIntervalMs: 300_000 }],
    ['?poll=5m&mapping=a', { mapping: 'a', pollIntervalMs: 300_000 }],
    ['?', {}],
  ])('%s belong to that source, and are not part of its name', (query, parameters) => {
    expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse(`${url}${query}`)).toEqual([{ ...location, ...parameters }]);
  });

  test.each([
    ['?polls=5m', 'expected no parameters but mapping and poll after the question mark, not polls'],
    [
      '?mapping=a&region=eu&delay=1',
      'expected no parameters but mapping and poll after the question mark, not region, delay',
    ],
    ['?Poll=5m', 'expected no parameters but mapping and poll after the question mark, not Poll'],
    ['?poll=5m?mapping=a', ': expected a duration'],
    ['?poll=5m&poll=5m', 'expected each parameter once: poll'],
    ['?mapping=a&poll=5m&mapping=b&poll=5m', 'expected each parameter once: mapping, poll'],
    ['?poll', ': expected a duration'],
    ['?poll=5', ': expected a duration of at least 1s'],
    ['?poll=999ms', ': expected a duration of at least 1s'],
    ['?mapping=', 'mapping: expected names or paths of mapping layers, separated by %2C'],
    ['?mapping=a%2C%2Cb', 'mapping: expected names or paths of mapping layers, separated by %2C'],
  ])('%s are rejected with what is expected', (query, message) => {
    expect(problemsOf(`${url}${query}`)).toEqual([expect.stringContaining(message)]);
  });

  test('are rejected with all their problems at once, together with those of other sources', () => {
    const [problems = '', ...others] = problemsOf(`${url}?polls=1&poll=0s&mapping=,hdfs://other`);
    expect(others).toEqual([]);
    expect(problems.split('; ')).toEqual([
      expect.stringContaining('not polls'),
      expect.stringContaining('poll: expected a duration'),
      expect.stringContaining('mapping: expected names'),
      expect.stringContaining('hdfs:// is not supported'),
    ]);
  });

  test('end at the comma, and the next source has its own', () => {
    const text = `${url}?poll=5m,s3://other-bucket?mapping=b,/deliveries`;
    expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse(text)).toEqual([
      { ...location, pollIntervalMs: 300_000 },
      { ...s3('other-bucket', '', 's3://other-bucket'), mapping: 'b' },
      directory('/deliveries', '/deliveries'),
    ]);
  });
});

test('a parameter is shown without control characters, and truncated', () => {
  const [problem = ''] = problemsOf(`s3://my-bucket?%0Ax%1b[31m${'y'.repeat(3_000)}=1`);
  expect(problem).not.toMatch(/\p{Cc}/u);
  expect(problem.length).toBeLessThan(250);
});

test('a plus sign in a mapping layer is kept', () => {
  const [location] = sourceOptions.DATABRICKS_AUDIT_SOURCE.parse('s3://my-bucket?mapping=./a+b.yaml');
  expect(location?.mapping).toBe('./a+b.yaml');
});

test.each(['/var/what?', '/var/logs?poll=5m', './logs?mapping=a&mapping=b', '?'])(
  'a path with a question mark is used unchanged: %s',
  (path) => {
    expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse(path)).toEqual([directory(resolve(path), path)]);
  },
);

test('a question mark in the path of a file:// URL is written as %3F', () => {
  expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse('file:///var/what%3F?poll=5m')).toEqual([
    { ...directory('/var/what?', 'file:///var/what%3F'), pollIntervalMs: 300_000 },
  ]);
});

function problemsOf(text: string | undefined): readonly string[] {
  const parsed = sourceOptions.DATABRICKS_AUDIT_SOURCE.safeParse(text);
  return parsed.error?.issues.map(({ message }) => message) ?? [];
}

function s3(bucket: string, prefix: string, name: string): SourceLocation {
  return { kind: 's3', bucket, prefix, name };
}

function gcs(bucket: string, prefix: string, name: string): SourceLocation {
  return { kind: 'gcs', bucket, emulator: undefined, prefix, name };
}

function azure(container: string | undefined, prefix: string, name: string): SourceLocation {
  const endpoint = `https://${host}`;
  return { kind: 'azure', endpoint, account: 'acme', container, credential: undefined, prefix, name };
}

function directory(path: string, name: string): SourceLocation {
  return { kind: 'directory', path, name };
}

describe('parameters that only one kind of source takes', () => {
  test('are passed to it by name', () => {
    expect(parseSourceParameters('poll=5m&table=a.b&workspaces=1%2C2', ['table', 'workspaces', 'bucket'])).toEqual({
      value: {
        common: { pollIntervalMs: 300_000, mapping: undefined },
        own: new Map([
          ['table', 'a.b'],
          ['workspaces', '1,2'],
        ]),
      },
    });
  });

  test('are listed when another one is unknown', () => {
    expect(parseSourceParameters('delay=1', ['table', 'bucket'])).toEqual({
      problem: 'expected no parameters but bucket, mapping, poll, and table after the question mark, not delay',
    });
  });
});
