/**
 * S3 and what the AWS SDK calls for credentials, through a proxy.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { loadS3Client, s3Timeouts } from '../../../src/runtime/aws/s3-client.ts';
import { createS3Client } from '../../../src/sources/s3/client.ts';
import { startForwardProxy } from '../../support/forward-proxy.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';

const never = new AbortController().signal;
const key = 'workspaceId=1/date=2026-09-01/auditlogs_1.json';
let server: S3Server;
let port = 0;

beforeAll(async () => {
  server = await startS3Server();
  port = Number(new URL(server.endpoint).port);
  await server.createBucket('audit');
  await server.put('audit', key, 'one\n');
});
afterAll(() => server.stop());
beforeEach(() => {
  server.clearRequests();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  for (const name of ['NO_PROXY', 'no_proxy', 'HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy'])
    vi.stubEnv(name, '');
  onTestFinished(() => void vi.unstubAllEnvs());
});

test.each(['HTTP_PROXY', 'http_proxy'])(
  'listings and objects go through %s, with its user and password',
  async (name) => {
    const proxy = await startForwardProxy({ storage: port });
    vi.stubEnv(name, proxy.url);
    vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://storage:9000');
    expect(await listAndRead()).toBe('one\n');
    expect(proxy.requests.map((line) => line.replace(/\?.*/, ''))).toEqual([
      'GET http://storage:9000/audit/',
      `GET http://storage:9000/audit/${encodeURIComponent(key).replaceAll('%2F', '/')}`,
    ]);
    expect([...proxy.credentials]).toEqual([`Basic ${btoa('user:password')}`]);
  },
);

test.each(['HTTPS_PROXY', 'https_proxy'])('HTTPS goes through a tunnel of %s', async (name) => {
  const tlsPort = await startTlsFront();
  const proxy = await startForwardProxy({ storage: tlsPort });
  vi.stubEnv(name, proxy.url);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'https://storage');
  // The certificate for tests is one for 127.0.0.1.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  expect(await listAndRead()).toBe('one\n');
  expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT storage:443']));
});

test.each(['127.0.0.0/8', '*', 'storage'])(
  'with NO_PROXY=%s nothing local goes through the proxy',
  async (exceptions) => {
    const proxy = await startForwardProxy({});
    for (const name of ['HTTP_PROXY', 'HTTPS_PROXY']) vi.stubEnv(name, proxy.url);
    vi.stubEnv('NO_PROXY', exceptions);
    expect(await listAndRead()).toBe('one\n');
    expect(proxy.requests).toEqual([]);
  },
);

test('an address in a range of NO_PROXY is contacted directly', async () => {
  const proxy = await startForwardProxy({ '192.0.2.1': port });
  vi.stubEnv('HTTP_PROXY', proxy.url);
  vi.stubEnv('AWS_ENDPOINT_URL_S3', 'http://192.0.2.1:9000');
  expect(await listAndRead()).toBe('one\n');
  expect(proxy.requests).toHaveLength(2);
  // 192.0.2.0/24 is for documentation: nobody answers there.
  vi.stubEnv('NO_PROXY', 'localhost,192.0.2.0/24');
  await expect(listAndRead({ ...s3Timeouts, connectionTimeoutMs: 50 })).rejects.toMatchObject({
    code: 'ERR_SOURCE_READ',
  });
  expect(proxy.requests).toHaveLength(2);
});

test('credentials of a web identity are requested from STS through the proxy', async () => {
  const sts = createHttpServer(async (incoming, response) => {
    expect(await text(incoming)).toContain('Action=AssumeRoleWithWebIdentity');
    response.writeHead(200, { 'content-type': 'text/xml' }).end(stsAnswer);
  });
  await new Promise<void>((resolve) => sts.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void sts.close().closeAllConnections());
  const proxy = await startForwardProxy({ 'sts.example.test': (sts.address() as AddressInfo).port });
  vi.stubEnv('HTTP_PROXY', proxy.url);
  vi.stubEnv('AWS_ENDPOINT_URL_STS', 'http://sts.example.test');
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  const tokenFile = join(temporaryDirectory(), 'token');
  writeFileSync(tokenFile, 'token');
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', tokenFile);
  vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::111122223333:role/audit');
  const client = await loadS3Client(s3Timeouts, {});
  onTestFinished(() => client.destroy());
  expect(await client.config.credentials()).toMatchObject({ accessKeyId: 'FROMSTS' });
  expect(proxy.requests).toEqual(['POST http://sts.example.test/']);
});

async function listAndRead(timeouts = s3Timeouts): Promise<string> {
  const s3 = createS3Client(timeouts, { maxAttempts: 1 });
  onTestFinished(() => s3.close());
  for await (const { objects } of s3.list({ bucket: 'audit', prefix: '' }, never)) {
    for (const object of objects) return await text(await s3.read({ bucket: 'audit', ...object }, never));
  }
  return '';
}

/** In front of the S3 server. */
async function startTlsFront(): Promise<number> {
  const file = (name: string) => readFileSync(new URL(`../../export/certificates/${name}`, import.meta.url));
  const front = createHttpsServer({ cert: file('server.pem'), key: file('server-key.pem') }, (incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    }).end();
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void front.close().closeAllConnections());
  return (front.address() as AddressInfo).port;
}

// fauxqs takes the first label of a name with dots for a bucket, hence "storage".
const stsAnswer = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
<Credentials><AccessKeyId>FROMSTS</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
