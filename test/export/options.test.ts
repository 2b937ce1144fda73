import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { exportOptions, exportProblems } from '../../src/export/options.ts';
import { optionsOf } from './fixtures.ts';

function problemsOf(environment: Record<string, string>): Record<string, string> {
  const result = z.object(exportOptions).safeParse(environment);
  return Object.fromEntries((result.error?.issues ?? []).map(({ path, message }) => [path.join('.'), message]));
}

test('without any variable, the defaults of the specification apply', () => {
  expect(optionsOf({})).toEqual({
    url: 'http://localhost:4318/v1/logs',
    headers: {},
    protocol: 'http/protobuf',
    compression: 'none',
    requestTimeoutMs: 10_000,
    caFile: undefined,
    clientCertificateFile: undefined,
    clientKeyFile: undefined,
    requestsInFlightMax: 4,
  });
});

test('an empty value counts as unset', () => {
  const empty = Object.fromEntries(Object.keys(exportOptions).map((name) => [name, ' ']));
  expect(optionsOf(empty)).toEqual(optionsOf({}));
});

test.each([
  ['http://collector:4318', 'http://collector:4318/v1/logs'],
  ['http://collector:4318/', 'http://collector:4318/v1/logs'],
  ['https://loki.example/otlp', 'https://loki.example/otlp/v1/logs'],
  ['https://x.example/a/?key=1', 'https://x.example/a/v1/logs?key=1'],
])('the base URL %s becomes %s', (endpoint, url) => {
  expect(optionsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }).url).toBe(url);
});

test('the URL for logs is used unchanged and takes precedence', () => {
  const options = optionsOf({
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:4318',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://b:4318/custom',
  });
  expect(options.url).toBe('http://b:4318/custom');
});

test('every _LOGS_ variable takes precedence over the general one, and headers are merged', () => {
  const options = optionsOf({
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
    OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: 'gzip',
    OTEL_EXPORTER_OTLP_TIMEOUT: '1000',
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: '2000',
    OTEL_EXPORTER_OTLP_HEADERS: 'a=general,b=general',
    OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'B=logs',
    OTEL_EXPORTER_OTLP_CERTIFICATE: '/general.pem',
    OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE: '/logs.pem',
    OTEL_EXPORTER_OTLP_CLIENT_KEY: '/key.pem',
  });
  expect(options).toMatchObject({
    protocol: 'http/protobuf',
    compression: 'gzip',
    requestTimeoutMs: 2000,
    headers: { a: 'general', b: 'logs' },
    caFile: { variable: 'OTEL_EXPORTER_OTLP_LOGS_CERTIFICATE', path: '/logs.pem' },
    clientKeyFile: { variable: 'OTEL_EXPORTER_OTLP_CLIENT_KEY', path: '/key.pem' },
  });
});

describe('headers', () => {
  test.each([
    ['authorization=Bearer%20abc%3D%3D', { authorization: 'Bearer abc==' }],
    ['authorization=Bearer abc==', { authorization: 'Bearer abc==' }],
    [' X-Scope-OrgID = audit , ,b=1', { 'x-scope-orgid': 'audit', b: '1' }],
    ['empty=', { empty: '' }],
    ['a=1,a=2', { a: '2' }],
  ])('%s', (text, headers) => {
    expect(optionsOf({ OTEL_EXPORTER_OTLP_HEADERS: text }).headers).toEqual(headers);
  });

  test.each([
    ['s3cret', 'pair 1 has no valid header name'],
    ['a=1,=s3cret', 'pair 2 has no valid header name'],
    ['a b=s3cret', 'pair 1 has no valid header name'],
    ['a=s3cret%', 'percent-encoded value for header a'],
    ['a=s3cret%0d%0aevil:1', 'without control characters'],
    ['Transfer-Encoding=s3cret', 'expected no header transfer-encoding'],
  ])('%s is a mistake, reported without its value', (text, problem) => {
    const message = problemsOf({ OTEL_EXPORTER_OTLP_HEADERS: text }).OTEL_EXPORTER_OTLP_HEADERS;
    expect(message).toContain(problem);
    expect(message).not.toContain('s3cret');
  });
});

test('all mistakes are reported at once, with what was expected', () => {
  const problems = problemsOf({
    OTEL_LOGS_EXPORTER: 'stdout',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://localhost:4318',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'https://user:secret@host/',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'GRPC',
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http',
    OTEL_EXPORTER_OTLP_INSECURE: 'yes',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'brotli',
    OTEL_EXPORTER_OTLP_TIMEOUT: '10s',
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: '0',
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: '65',
  });
  expect(problems).toEqual({
    OTEL_LOGS_EXPORTER: 'expected otlp or console',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'expected an http:// or https:// URL, such as http://localhost:4318',
    OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: expect.stringContaining('without user name and password'),
    OTEL_EXPORTER_OTLP_PROTOCOL: 'expected http/protobuf, http/json or grpc',
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'expected http/protobuf, http/json or grpc',
    OTEL_EXPORTER_OTLP_INSECURE: 'expected true or false',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'expected none, gzip or zstd',
    OTEL_EXPORTER_OTLP_TIMEOUT: 'expected a whole number from 1 to 2147483647',
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: 'expected a whole number from 1 to 2147483647',
    DATABRICKS_AUDIT_MAX_IN_FLIGHT: 'expected a whole number from 1 to 64',
  });
});

test('a URL of gRPC is answered by the form and the protocol to use', () => {
  expect(problemsOf({ OTEL_EXPORTER_OTLP_ENDPOINT: 'grpc://collector:4317' })).toEqual({
    OTEL_EXPORTER_OTLP_ENDPOINT: expect.stringContaining(':4317, with OTEL_EXPORTER_OTLP_PROTOCOL=grpc'),
  });
});

test('every variable has a description for the documentation', () => {
  for (const [name, schema] of Object.entries(exportOptions)) expect(schema.description, name).toMatch(/\.$/);
});

describe('with gRPC', () => {
  const grpc = { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' };

  test.each([
    [{}, 'http://localhost:4317'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317/' }, 'http://collector:4317'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example' }, 'https://collector.example'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://[::1]:5000' }, 'http://[::1]:5000'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:5000' }, 'https://collector:5000'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' }, 'https://collector:4317'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '10.0.0.1:4317', OTEL_EXPORTER_OTLP_INSECURE: 'True' }, 'http://10.0.0.1:4317'],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'dns:///collector:4317', OTEL_EXPORTER_OTLP_INSECURE: 'true' },
      'http://collector:4317',
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '[::1]:4317', OTEL_EXPORTER_OTLP_LOGS_INSECURE: 'true' }, 'http://[::1]:4317'],
    [
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: 'a:1',
        OTEL_EXPORTER_OTLP_INSECURE: 'true',
        OTEL_EXPORTER_OTLP_LOGS_INSECURE: 'false',
      },
      'https://a:1',
    ],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://a:1', OTEL_EXPORTER_OTLP_INSECURE: 'true' }, 'https://a:1'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a:1', OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://b:2' }, 'http://b:2'],
  ])('%j is %s', (environment, url) => {
    expect(optionsOf({ ...grpc, ...environment })).toMatchObject({ url, protocol: 'grpc' });
    expect(combinedProblems({ ...grpc, ...environment })).toEqual({});
  });

  test.each<[Record<string, string>, Record<string, unknown>]>([
    [
      { ...grpc, OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4317/v1/logs' },
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'expected a URL without a path, because gRPC has none' },
    ],
    [
      { ...grpc, OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: 'zstd' },
      { OTEL_EXPORTER_OTLP_LOGS_COMPRESSION: expect.stringContaining('expected none or gzip') },
    ],
    [
      { ...grpc, OTEL_EXPORTER_OTLP_HEADERS: 'grpc-timeout=1s' },
      { OTEL_EXPORTER_OTLP_HEADERS: expect.stringContaining('instead of grpc-timeout') },
    ],
    [
      { ...grpc, OTEL_EXPORTER_OTLP_LOGS_HEADERS: 'token-bin=s3cret' },
      { OTEL_EXPORTER_OTLP_LOGS_HEADERS: expect.not.stringContaining('s3cret') },
    ],
    [
      { ...grpc, OTEL_EXPORTER_OTLP_HEADERS: 'name=s3cret%C3%A9' },
      { OTEL_EXPORTER_OTLP_HEADERS: expect.stringMatching(/printable ASCII for header name(?!.*s3cret)/) },
    ],
    [
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4318' },
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'expected an http:// or https:// URL, such as http://localhost:4318' },
    ],
    [{ ...grpc, OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_COMPRESSION: 'zstd' }, {}],
    // The general endpoint may be that of another signal.
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4317', OTEL_EXPORTER_OTLP_LOGS_ENDPOINT: 'http://a/v1/logs' }, {}],
  ])('%j has these problems: %j', (environment, problems) => {
    expect(problemsOf(environment)).toEqual({});
    expect(combinedProblems(environment)).toEqual(problems);
  });
});

function combinedProblems(environment: Record<string, string>): Record<string, string> {
  const problems = exportProblems(z.object(exportOptions).parse(environment));
  return Object.fromEntries(problems.map(({ variable, problem }) => [variable, problem]));
}
