/**
 * Everything but S3 that leaves the process: records, metrics and the agent's own log to the collector, and queries to a backend. For S3
 * see test/sources/s3/proxy.test.ts.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { requestJson } from '../../src/backends/json-request.ts';
import { createOtlpClient } from '../../src/export/otlp-client.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { createOwnLogs } from '../../src/telemetry/own-logs.ts';
import { PushExporter } from '../../src/telemetry/push-exporter.ts';
import { encodeJson, jsonOptions, manyLines } from '../export/fixtures.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';

const never = new AbortController().signal;
const certificate = (name: string) => fileURLToPath(new URL(`../export/certificates/${name}`, import.meta.url));

beforeEach(() => {
  for (const name of ['NO_PROXY', 'no_proxy', 'http_proxy', 'https_proxy']) vi.stubEnv(name, '');
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe.each([
  ['records', sendRecords, 'http://collector.test:4318/v1/logs'],
  ['metrics', pushMetrics, 'http://collector.test:4318/v1/metrics'],
  ["the agent's own log", sendOwnLog, 'http://collector.test:4318/v1/logs'],
  ['queries to a backend', queryBackend, 'http://collector.test:4318/query'],
])('%s', (_, send, url) => {
  it('go through HTTP_PROXY, with its user and password', async () => {
    const proxy = await startForwardProxy({ 'collector.test': await startServer('http') });
    vi.stubEnv('HTTP_PROXY', proxy.url);
    await send('http://collector.test:4318');
    expect(proxy.requests.map((request) => request.split(' ')[1])).toEqual([url]);
    expect([...proxy.credentials]).toEqual([`Basic ${btoa('user:password')}`]);
  });

  it('go through a tunnel of HTTPS_PROXY', async () => {
    const proxy = await startForwardProxy({ 'collector.test': await startServer('https') });
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    // The certificate for tests is one for 127.0.0.1.
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    await send('https://collector.test:4318');
    expect(proxy.requests).toEqual(['CONNECT collector.test:4318']);
  });

  it('do not go through a proxy to the loopback', async () => {
    const proxy = await startForwardProxy({});
    vi.stubEnv('HTTP_PROXY', proxy.url);
    await send(`http://127.0.0.1:${await startServer('http')}`);
    expect(proxy.requests).toEqual([]);
  });
});

it('metrics keep their certificates when they go through a proxy', async () => {
  const port = await startServer('https', { ca: readFileSync(certificate('ca.pem')), requestCert: true });
  const proxy = await startForwardProxy({ 'collector.test': port });
  vi.stubEnv('HTTPS_PROXY', proxy.url);
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  await expect(pushMetrics('https://collector.test:4318')).rejects.toThrow();
  vi.stubEnv('OTEL_EXPORTER_OTLP_CERTIFICATE', certificate('ca.pem'));
  vi.stubEnv('OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE', certificate('client.pem'));
  vi.stubEnv('OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY', certificate('client-key.pem'));
  await expect(pushMetrics('https://collector.test:4318')).resolves.toBeUndefined();
});

async function sendRecords(url: string): Promise<void> {
  const client = createOtlpClient(jsonOptions(url), systemClock);
  onTestFinished(() => client.close());
  expect((await client.send(encodeJson(manyLines(1)), never)).status).toBe('accepted');
}

/** Rejects if the collector was not reached. */
async function pushMetrics(url: string): Promise<void> {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url);
  const failures: Error[] = [];
  const exporter = new PushExporter((error) => failures.push(error));
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] });
  provider.getMeter('test').createCounter('count').add(1);
  await provider.shutdown();
  if (failures[0] !== undefined) throw failures[0];
}

async function sendOwnLog(url: string): Promise<void> {
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', url);
  const log = await createOwnLogs({ protocol: 'http/protobuf', resourceAttributes: {} });
  log.write(JSON.stringify({ level: 'info', time: new Date(0).toISOString(), msg: 'hello' }));
  await log.close();
}

async function queryBackend(url: string): Promise<void> {
  const server = { name: 'backend', url: new URL(url), headers: {}, clock: systemClock };
  expect(await requestJson(server, '/query', {}, never)).toEqual({});
}

/** Answers everything with an empty object. */
async function startServer(scheme: 'http' | 'https', clients: object = {}): Promise<number> {
  const tls = {
    cert: readFileSync(certificate('server.pem')),
    key: readFileSync(certificate('server-key.pem')),
    ...clients,
  };
  const server = scheme === 'http' ? createHttpServer() : createHttpsServer(tls);
  server.on('request', (request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}
