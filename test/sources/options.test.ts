import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type SourceLocation, sourceOptions } from '../../src/sources/options.ts';

describe('DATABRICKS_AUDIT_SOURCE', () => {
  test.each([
    ['s3://my-bucket', [s3('my-bucket', '', 's3://my-bucket')]],
    ['s3://my-bucket/', [s3('my-bucket', '', 's3://my-bucket')]],
    ['s3://my.bucket.1/a/b', [s3('my.bucket.1', 'a/b/', 's3://my.bucket.1/a/b')]],
    ['S3://my-bucket/a/', [s3('my-bucket', 'a/', 's3://my-bucket/a')]],
    ['/var/logs', [directory('/var/logs', '/var/logs')]],
    ['./logs/', [directory(resolve('logs'), './logs/')]],
    ['file:///var/a%2Cb', [directory('/var/a,b', 'file:///var/a%2Cb')]],
    ['/a, s3://my-bucket/b', [directory('/a', '/a'), s3('my-bucket', 'b/', 's3://my-bucket/b')]],
    [
      's3://my-bucket,s3://my-bucket/account',
      [s3('my-bucket', '', 's3://my-bucket'), s3('my-bucket', 'account/', 's3://my-bucket/account')],
    ],
    ['/a/b,/a/bc', [directory('/a/b', '/a/b'), directory('/a/bc', '/a/bc')]],
  ])('takes %s', (text, locations) => {
    expect(sourceOptions.DATABRICKS_AUDIT_SOURCE.parse(text)).toEqual(locations);
  });

  test.each([
    [undefined, 'expected s3://bucket/prefix, a directory or a file:// URL'],
    ['', 'expected s3://bucket/prefix, a directory or a file:// URL'],
    ['/a,,/b', 'between the commas'],
    ['gs://bucket/a', '(gs:// is not supported)'],
    ['s3a://bucket/a', '(use s3:// instead of s3a://)'],
    ['https://minio:9000/bucket', 'use s3:// and set AWS_ENDPOINT_URL_S3 to its https:// address'],
    ['s3://', 'expected a bucket name'],
    ['s3://My_Bucket/a', 'not "My_Bucket"'],
    ['s3://bucket/workspaceId=*/', 'without wildcards'],
    ['file://host/path', 'expected a file:// URL with an absolute path'],
    ['/a\u001b[31m', 'without control characters'],
    ['/a,/a', '/a is inside /a'],
    ['/a/b/c,/a', '/a/b/c is inside /a'],
    ['s3://bucket/a,s3://bucket/a/', 's3://bucket/a is inside s3://bucket/a'],
    ['s3://bucket/a,s3://bucket/a/workspaceId=1', 's3://bucket/a/workspaceId=1 is inside s3://bucket/a'],
  ])('refuses %j and says what it expects', (text, message) => {
    const parsed = sourceOptions.DATABRICKS_AUDIT_SOURCE.safeParse(text);
    expect(parsed.error?.issues.map((issue) => issue.message)).toEqual([expect.stringContaining(message)]);
  });

  test('reports everything that is wrong with a list at once', () => {
    const parsed = sourceOptions.DATABRICKS_AUDIT_SOURCE.safeParse('gs://a,s3://B,/c,/c/d');
    expect(parsed.error?.issues[0]?.message.split('; ')).toHaveLength(3);
  });

  test('names an overlap once', () => {
    const parsed = sourceOptions.DATABRICKS_AUDIT_SOURCE.safeParse('/c,/c');
    expect(parsed.error?.issues[0]?.message.split('; ')).toHaveLength(1);
  });
});

function s3(bucket: string, prefix: string, name: string): SourceLocation {
  return { kind: 's3', bucket, prefix, name };
}

function directory(path: string, name: string): SourceLocation {
  return { kind: 'directory', path, name };
}
