/**
 * Signing in to Microsoft Entra ID and to Google, with stand-ins for both that a proxy leads to: no request may go another way.
 */
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type RequestListener, request } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../src/config/index.ts';
import type { Source } from '../../src/contracts/source.ts';
import { adviceOf } from '../../src/model/agent-error.ts';
import { createSources } from '../../src/sources/index.ts';
import { startForwardProxy } from '../support/forward-proxy.ts';
import { listAll, readText } from '../support/listing.ts';
import { startAzureServer } from '../support/object-servers/azure-server.ts';
import { startGcsServer } from '../support/object-servers/gcs-server.ts';
import { patientClock } from '../support/patient-clock.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const key = 'workspaceId=7/date=2026-09-01/a.json';

beforeEach(() => {
  for (const name of ['NO_PROXY', 'no_proxy', 'http_proxy', 'https_proxy', 'HTTP_PROXY']) vi.stubEnv(name, '');
  // The certificate for tests is one for 127.0.0.1.
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe('a service principal of Microsoft Entra ID', () => {
  const token = { token_type: 'Bearer', expires_in: 3_600, ext_expires_in: 3_600, access_token: 'the-token' };

  test('gets a token for storage and reads with it, through the proxy', async () => {
    const { source, asked, storage, proxied } = await start(() => [200, token]);
    const [object] = (await listAll(source)).objects;
    expect(object && (await readText(object))).toBe('one\n');
    expect(asked).toEqual([
      expect.objectContaining({
        grant_type: 'client_credentials',
        client_id: 'the-client',
        client_secret: 'the-secret',
        scope: 'https://storage.azure.com/.default',
      }),
    ]);
    expect(new Set(storage.headers.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer the-token']));
    expect(new Set(proxied)).toEqual(
      new Set(['CONNECT login.microsoftonline.com:443', 'CONNECT acme.blob.core.windows.net:443']),
    );
  });

  test('without the role is told which', async () => {
    const { source, storage } = await start(() => [200, token]);
    const code = 'AuthorizationPermissionMismatch';
    storage.fail({ match: /./, failure: { status: 403, code, headers: { 'x-ms-error-code': code } } });
    await expect(listAll(source)).rejects.toMatchObject({
      code: 'ERR_SOURCE_ACCESS_DENIED',
      message: expect.stringContaining('access denied (AuthorizationPermissionMismatch)'),
      hint: expect.stringContaining(
        'Assign the role Storage Blob Data Reader on the container logs or the storage account acme',
      ),
    });
  });

  test.each([
    ['AADSTS7000222', 'the client secret has expired', 'AZURE_CLIENT_SECRET'],
    ['AADSTS7000215', 'the client secret is not valid', 'not to its id'],
    ['AADSTS700016', 'the tenant has no app registration with this id', 'AZURE_CLIENT_ID'],
    ['AADSTS53003', 'Microsoft Entra ID refuses the credentials (AADSTS53003)', 'explanation'],
  ])('that is refused with %s is told why', async (code, reason, hint) => {
    const error = {
      error: 'invalid_client',
      error_description: `${code}: no.\r\nTrace ID: 1\r\nTimestamp: 2026-09-01 00:00:00Z`,
      error_codes: [Number(code.slice(6))],
    };
    const { source } = await start(() => [401, error]);
    const failed = await listAll(source).catch((thrown) => thrown);
    expect(failed).toMatchObject({
      code: 'ERR_SOURCE_CREDENTIALS',
      message: expect.stringContaining(reason),
      hint: expect.stringContaining(hint),
    });
    expect(`${failed.message} ${failed.hint} ${failed.cause}`).not.toContain('the-secret');
    expect(failed.cause.message).toContain(`${code}: no. Trace ID: 1 Timestamp: 2026-09-01 00:00:00Z`);
    expect(failed.cause.message).not.toMatch(/\n|\\u/);
  });

  test('that is refused for another reason is shown the explanation of Microsoft', async () => {
    const error = {
      error: 'invalid_grant',
      error_description: 'AADSTS53003: blocked by a policy.',
      error_codes: [53003],
    };
    const { source } = await start(() => [401, error]);
    const failed = await listAll(source).catch((thrown) => thrown);
    expect(adviceOf(failed)).toMatch(/^The cause has its explanation\.\nCause: .*AADSTS53003: blocked by a policy/);
  });

  async function start(answer: () => Answer) {
    const storage = await startAzureServer();
    onTestFinished(() => storage.stop());
    storage.store.put('logs', key, 'one\n');
    const asked: Readonly<Record<string, string>>[] = [];
    const entra = await startTls(async (incoming, outgoing) => {
      const form = new URLSearchParams(await text(incoming));
      const [status, body] = incoming.url?.includes('/oauth2/') ? answer() : discovery(incoming.headers.host);
      if (incoming.url?.includes('/oauth2/')) asked.push(Object.fromEntries(form));
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const proxy = await startForwardProxy({
      'login.microsoftonline.com': entra,
      'acme.blob.core.windows.net': await startTls(forwardTo(storage.url, '/acme')),
    });
    for (const [name, value] of Object.entries({
      HTTPS_PROXY: proxy.url,
      AZURE_TENANT_ID: '00000000-0000-0000-0000-000000000001',
      AZURE_CLIENT_ID: 'the-client',
      AZURE_CLIENT_SECRET: 'the-secret',
      AZURE_TOKEN_CREDENTIALS: 'EnvironmentCredential',
    })) {
      vi.stubEnv(name, value);
    }
    return { source: sourceAt('az://acme.blob.core.windows.net/logs'), asked, storage, proxied: proxy.requests };
  }
});

describe('a service account of Google', () => {
  test('gets a token for reading and reads with it, through the proxy', async () => {
    const { source, asked, storage, proxied } = await start(() => [
      200,
      { access_token: 'the-token', expires_in: 3_600, token_type: 'Bearer' },
    ]);
    const [object] = (await listAll(source)).objects;
    expect(object && (await readText(object))).toBe('one\n');
    expect(asked).toHaveLength(1);
    expect(new Set(storage.headers.map(({ authorization }) => authorization))).toEqual(new Set(['Bearer the-token']));
    expect(new Set(proxied)).toEqual(
      new Set(['CONNECT oauth2.googleapis.com:443', 'CONNECT storage.googleapis.com:443']),
    );
  });

  test('whose key was deleted is told so', async () => {
    const { source } = await start(() => [
      400,
      { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' },
    ]);
    await expect(listAll(source)).rejects.toMatchObject({
      code: 'ERR_SOURCE_CREDENTIALS',
      message: expect.stringContaining('not valid any more (invalid_grant)'),
    });
  });

  async function start(answer: () => Answer) {
    const storage = await startGcsServer();
    onTestFinished(() => storage.stop());
    storage.store.put('audit-logs', key, 'one\n');
    const asked: string[] = [];
    const google = await startTls(async (incoming, outgoing) => {
      asked.push(await text(incoming));
      const [status, body] = answer();
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    const proxy = await startForwardProxy({
      'oauth2.googleapis.com': google,
      'storage.googleapis.com': await startTls(forwardTo(storage.url, '')),
    });
    vi.stubEnv('HTTPS_PROXY', proxy.url);
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', keyFile());
    return { source: sourceAt('gs://audit-logs'), asked, storage, proxied: proxy.requests };
  }
});

type Answer = readonly [status: number, body: unknown];

function discovery(host: string | undefined): Answer {
  const tenant = `https://${host}/00000000-0000-0000-0000-000000000001`;
  const document = {
    tenant_discovery_endpoint: `${tenant}/v2.0/.well-known/openid-configuration`,
    token_endpoint: `${tenant}/oauth2/v2.0/token`,
    authorization_endpoint: `${tenant}/oauth2/v2.0/authorize`,
    issuer: `${tenant}/v2.0`,
  };
  return [200, document];
}

/** @returns its port. */
async function startTls(listener: RequestListener): Promise<number> {
  const certificate = (name: string) =>
    readFileSync(fileURLToPath(new URL(`../export/certificates/${name}`, import.meta.url)));
  const server = createServer({ cert: certificate('server.pem'), key: certificate('server-key.pem') }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return (server.address() as AddressInfo).port;
}

/** @param prefix goes before the path of each request. */
function forwardTo(url: string, prefix: string): RequestListener {
  return (incoming, outgoing) => {
    const forwarded = request(`${url}${prefix}${incoming.url}`, { method: incoming.method, headers: incoming.headers });
    forwarded.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  };
}

function keyFile(): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const path = join(temporaryDirectory(), 'key.json');
  const content = {
    type: 'service_account',
    project_id: 'project',
    client_email: 'agent@project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  writeFileSync(path, JSON.stringify(content));
  return path;
}

function sourceAt(url: string): Source {
  const { sources } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: url });
  const [source] = createSources(sources, { stillAfterPolls: 0, clock: patientClock() });
  if (source === undefined) throw new Error('no source');
  onTestFinished(() => source.close());
  return source;
}
