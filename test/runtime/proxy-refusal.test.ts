/**
 * The messages about a proxy that refuses to connect, from the errors of the real clients.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { Agent, request as requestHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { describeGcsError } from '../../src/sources/gcs/errors.ts';
import { describeS3Error } from '../../src/sources/s3/errors.ts';
import { unreachable } from '../../src/sources/table/errors.ts';

const url = new URL('https://workspace.example.test/');
let proxyHost = '';
let proxyUrl = '';

beforeEach(async () => {
  const server = createServer();
  server.on('connect', (_request, client) => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  proxyHost = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  proxyUrl = `http://user:secret@${proxyHost}`;
  for (const name of ['https_proxy', 'NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
  vi.stubEnv('HTTPS_PROXY', proxyUrl);
  onTestFinished(() => void vi.unstubAllEnvs());
});

it('S3 names the proxy and its status', async () => {
  const agent = new Agent({ proxyEnv: { HTTPS_PROXY: proxyUrl } });
  const request = requestHttps(url, { agent });
  // Node.js 24 may report the refusal twice; the SDK listens to both as well.
  const error = await new Promise((resolve) => request.on('error', resolve).end());
  expect(describeS3Error(error, { action: 's3:ListBucket', bucket: 'logs', path: '' })).toMatchObject({
    message: `Could not list s3://logs/: the proxy ${proxyHost} refused the connection (HTTP 502)`,
    hint: expect.stringContaining('NO_PROXY'),
  });
});

it('Google Cloud Storage names the proxy and its status', async () => {
  const { ProxyAgent, request } = await import('undici');
  const error = await request(url, { dispatcher: new ProxyAgent(proxyUrl) }).catch((thrown: unknown) => thrown);
  expect(describeGcsError(error, { action: 'list', bucket: 'logs', path: '' })).toMatchObject({
    message: `Could not list gs://logs/: the proxy ${proxyHost} refused the connection (HTTP 502)`,
    hint: expect.stringContaining('NO_PROXY'),
  });
});

it('Databricks names the proxy and its status', async () => {
  const { ProxyAgent, fetch } = await import('undici');
  const error = await fetch(url, { dispatcher: new ProxyAgent(proxyUrl) }).catch((thrown: unknown) => thrown);
  expect(unreachable(url, error)).toMatchObject({
    message: `workspace.example.test is not reachable: the proxy ${proxyHost} refused the connection (HTTP 502)`,
    hint: expect.stringContaining('NO_PROXY'),
  });
});
