/**
 * fake-gcs-server, an independent emulator of Google Cloud Storage.
 */
import { join } from 'node:path';
import type { Environment } from '../../support/agent-process.ts';
import { contentOf, type DeliveryPlace } from '../../support/delivery-place.ts';
import { serverDirectory } from './recipes.ts';
import { freePort, type ServerProcess, startServer } from './server-process.ts';

export interface FakeGcs extends ServerProcess {
  readonly url: string;
  readonly environment: Environment;
  createBucket(name: string): Promise<void>;
  put(bucket: string, name: string, body: string | Buffer): Promise<void>;
  delete(bucket: string, name: string): Promise<void>;
}

export async function startFakeGcs(): Promise<FakeGcs> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = await startServer({
    command: join(serverDirectory('fake-gcs'), 'bin', 'fake-gcs-server'),
    arguments: [
      ...['-scheme', 'http', '-host', '127.0.0.1', '-port', String(port), '-backend', 'memory'],
      ...['-external-url', url, '-public-host', `127.0.0.1:${port}`, '-log-level', 'warn'],
    ],
    readyUrl: `${url}/storage/v1/b?project=test`,
  });
  const call = async (method: string, path: string, body?: string | Buffer) => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: Buffer.from(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`);
  };
  return Object.assign(server, {
    url,
    environment: { STORAGE_EMULATOR_HOST: url },
    createBucket: (name: string) => call('POST', '/storage/v1/b?project=test', JSON.stringify({ name })),
    put: (bucket: string, name: string, body: string | Buffer) =>
      call('POST', `/upload/storage/v1/b/${bucket}/o?uploadType=media&name=${encodeURIComponent(name)}`, body),
    delete: (bucket: string, name: string) => call('DELETE', `/storage/v1/b/${bucket}/o/${encodeURIComponent(name)}`),
  });
}

let bucketCount = 0;

export async function fakeGcsPlace(server: FakeGcs): Promise<DeliveryPlace> {
  const bucket = `delivery-${++bucketCount}`;
  await server.createBucket(bucket);
  return {
    source: `gs://${bucket}`,
    environment: server.environment,
    deliver: (key, lines) => server.put(bucket, key, contentOf(key, lines)),
  };
}
