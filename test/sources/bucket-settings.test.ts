/**
 * What `check` says about the settings of a bucket that could not be read.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';
import { inspectBucket as inspectGcsBucket } from '../../src/sources/gcs/inspection.ts';
import { inspectBucket as inspectS3Bucket } from '../../src/sources/s3/bucket-inspection.ts';

const never = new AbortController().signal;
const s3Denied = '<Error><Code>AccessDenied</Code><Message>no</Message></Error>';
const gcsDenied = JSON.stringify({ error: { code: 403, message: 'no', errors: [{ reason: 'forbidden' }] } });

beforeEach(() => {
  for (const name of ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'AWS_ENDPOINT_URL', 'AWS_PROFILE'])
    vi.stubEnv(name, '');
  vi.stubEnv('AWS_REGION', 'eu-central-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe('settings of a bucket in S3', () => {
  const inspect = async (endpoint: string) => {
    vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint);
    const location = { kind: 's3', name: 's3://logs', bucket: 'logs', prefix: '' } as const;
    return (await inspectS3Bucket(location, never, systemClock)).results.map(({ message }) => message);
  };

  it('name the permission if it is missing', async () => {
    expect(await inspect(await serverThatAnswers(403, s3Denied))).toEqual([
      'versioning of logs: not checked (requires s3:GetBucketVersioning)',
      'lifecycle of logs: not checked (requires s3:GetLifecycleConfiguration)',
    ]);
  });

  it('name the reason if it is another one', async () => {
    const endpoint = await serverThatIsGone();
    const { host } = new URL(endpoint);
    expect(await inspect(endpoint)).toEqual([
      `versioning of logs: not checked, because ${host} is not reachable (ECONNREFUSED)`,
      `lifecycle of logs: not checked, because ${host} is not reachable (ECONNREFUSED)`,
    ]);
  });
});

describe('settings of a bucket in Google Cloud Storage', () => {
  const inspect = async (emulator: string) => {
    const location = { kind: 'gcs', name: 'gs://logs', bucket: 'logs', prefix: '', emulator } as const;
    return (await inspectGcsBucket(location, never, systemClock)).results.map(({ message }) => message);
  };

  it('name the permission if it is missing', async () => {
    expect(await inspect(await serverThatAnswers(403, gcsDenied))).toEqual([
      'versioning of logs: not checked (requires storage.buckets.get)',
      'lifecycle of logs: not checked (requires storage.buckets.get)',
    ]);
  });

  it('name the reason if it is another one', async () => {
    expect(await inspect(await serverThatIsGone())).toEqual([
      'versioning of logs: not checked, because Google is not reachable (ECONNREFUSED)',
      'lifecycle of logs: not checked, because Google is not reachable (ECONNREFUSED)',
    ]);
  });
});

async function serverThatAnswers(status: number, body: string): Promise<string> {
  const server = createServer((_request, response) => response.writeHead(status).end(body));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function serverThatIsGone(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}
