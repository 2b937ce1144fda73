/**
 * What the operator is told when Azure does not answer as it should.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { Source } from '../../../src/contracts/source.ts';
import type { AgentError } from '../../../src/model/agent-error.ts';
import { createSources } from '../../../src/sources/index.ts';
import { listAll, readText } from '../../support/listing.ts';
import { type AzureServer, startAzureServer } from '../../support/object-servers/azure-server.ts';
import type { Failure } from '../../support/object-servers/object-server.ts';
import { type PatientClock, patientClock } from '../../support/patient-clock.ts';

let server: AzureServer;
let clock: PatientClock;
beforeAll(async () => {
  server = await startAzureServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.heal();
  server.store.containers.clear();
  server.store.put('logs', path, 'one\ntwo\n');
  clock = patientClock();
});

const path = 'workspaceId=7/date=2026-09-01/a.json';
const sas = 'sv=2026-02-06&sp=rl&sig=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmU%3D';
const keyEnvironment = () => server.environment;
const sasEnvironment = () => ({
  AZURE_STORAGE_CONNECTION_STRING: `BlobEndpoint=${server.url}/devstoreaccount1;AccountName=devstoreaccount1;SharedAccessSignature=${sas}`,
});

describe('a listing that fails', () => {
  test.each<[number, string, string, string, RegExp]>([
    [
      403,
      'AuthorizationFailure',
      'no',
      'ERR_SOURCE_ACCESS_DENIED',
      /firewall of the storage account devstoreaccount1.*Storage Blob Data Reader/,
    ],
    [403, 'AuthenticationFailed', 'no', 'ERR_SOURCE_CREDENTIALS', /AZURE_STORAGE_KEY.*rotated.*clock/],
    [
      403,
      'KeyBasedAuthenticationNotPermitted',
      'no',
      'ERR_SOURCE_CREDENTIALS',
      /Microsoft Entra ID.*Storage Blob Data Reader/,
    ],
    [403, 'AccountIsDisabled', 'no', 'ERR_SOURCE_ACCESS_DENIED', /subscription/],
    [404, 'ContainerNotFound', 'no', 'ERR_SOURCE_NOT_FOUND', /DATABRICKS_AUDIT_SOURCE/],
    [409, 'ContainerBeingDeleted', 'no', 'ERR_SOURCE_NOT_FOUND', /DATABRICKS_AUDIT_SOURCE/],
    [400, 'InvalidHeaderValue', 'no', 'ERR_SOURCE_READ', /emulator/],
    [429, 'TooManyRequests', 'no', 'ERR_SOURCE_THROTTLED', /poll/],
    [503, 'ServerBusy', 'no', 'ERR_SOURCE_THROTTLED', /poll/],
    [500, 'OperationTimedOut', 'no', 'ERR_SOURCE_THROTTLED', /poll/],
    [500, 'InternalError', 'no', 'ERR_SOURCE_READ', /tries again/],
  ])('with %i %s says what to do', async (status, code, message, expected, hint) => {
    server.fail({ match: /comp=list/, failure: failure(status, code, message) });
    const error = await errorOf(sourceWith(keyEnvironment()));
    expect(error).toMatchObject({ code: expected });
    expect(error.hint).toMatch(hint);
    expectNoSecrets(error);
  });

  test.each<[number, string, string, string, RegExp]>([
    [
      403,
      'AuthorizationPermissionMismatch',
      'no',
      'ERR_SOURCE_ACCESS_DENIED',
      /shared access signature with the permission l \(list\)/,
    ],
    [
      403,
      'AuthenticationFailed',
      'Signature not valid in the specified time frame',
      'ERR_SOURCE_CREDENTIALS',
      /Create a new one/,
    ],
    [403, 'AuthenticationFailed', 'Signature did not match', 'ERR_SOURCE_CREDENTIALS', /AZURE_STORAGE_SAS_TOKEN/],
    [401, 'NoAuthenticationInformation', 'no', 'ERR_SOURCE_CREDENTIALS', /complete, with its signature/],
  ])('with %i %s for a shared access signature says what to do', async (status, code, message, expected, hint) => {
    server.fail({ match: /comp=list/, failure: failure(status, code, `${message} ${server.url}/x?${sas}`) });
    const error = await errorOf(sourceWith(sasEnvironment()));
    expect(error).toMatchObject({ code: expected });
    expect(error.hint).toMatch(hint);
    expectNoSecrets(error);
  });

  test('because the account does not exist says so', async () => {
    const environment = { AZURE_STORAGE_KEY: Buffer.from('key').toString('base64') };
    const error = await errorOf(sourceWith(environment, 'az://acme.blob.invalid/logs'));
    expect(error).toMatchObject({ code: 'ERR_SOURCE_READ', message: expect.stringContaining('could not be resolved') });
  });

  test('because nothing listens there says so', async () => {
    const environment = {
      AZURE_STORAGE_CONNECTION_STRING: server.environment.AZURE_STORAGE_CONNECTION_STRING?.replace(/:\d+\//, ':1/'),
    };
    const error = await errorOf(sourceWith(environment));
    expect(error).toMatchObject({ code: 'ERR_SOURCE_READ', message: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('throttling', () => {
  test('is waited for as long as Azure asks, and the listing succeeds', async () => {
    server.fail({ match: /comp=list/, times: 2, failure: failure(503, 'ServerBusy', 'busy', { 'retry-after': '7' }) });
    const { objects, faults } = await listAll(sourceWith(keyEnvironment()));
    expect([objects.length, faults]).toEqual([1, []]);
    expect(clock.sleptMs).toEqual([7_000, 7_000]);
  });

  test('for longer than a poll is left to the next listing', async () => {
    server.fail({ match: /comp=list/, failure: failure(429, 'TooManyRequests', 'busy', { 'retry-after': '120' }) });
    expect(await errorOf(sourceWith(keyEnvironment()))).toMatchObject({ code: 'ERR_SOURCE_THROTTLED' });
    expect(clock.sleptMs).toEqual([]);
    expect(server.requests.filter((request) => request.includes('comp=list')).length).toBeGreaterThan(0);
  });

  test('of a read is waited for too', async () => {
    const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
    server.fail({ match: /a\.json/, times: 1, failure: failure(503, 'ServerBusy', 'busy') });
    expect(object && (await readText(object))).toBe('one\ntwo\n');
    expect(clock.sleptMs).toEqual([500]);
  });

  test('ends with the signal', async () => {
    const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
    const stop = new AbortController();
    const reason = new Error('stopping');
    server.fail({ match: /a\.json/, failure: failure(503, 'ServerBusy', 'busy') });
    vi.spyOn(clock, 'sleep').mockImplementation(async (_, signal) => {
      stop.abort(reason);
      signal.throwIfAborted();
    });
    await expect(object && readText(object, stop.signal)).rejects.toBe(reason);
  });
});

describe('a blob that cannot be read', () => {
  test.each<[number, string, string, RegExp]>([
    [409, 'BlobArchived', 'ERR_SOURCE_READ', /Rehydrate/],
    [409, 'BlobBeingRehydrated', 'ERR_SOURCE_READ', /Rehydrate/],
    [412, 'ConditionNotMet', 'ERR_OBJECT_CHANGED', /next listing/],
    [404, 'BlobNotFound', 'ERR_OBJECT_GONE', /deleted on purpose/],
    [
      403,
      'AuthorizationPermissionMismatch',
      'ERR_SOURCE_ACCESS_DENIED',
      /Storage Blob Data Reader on the container logs/,
    ],
  ])('with %i %s is explained', async (status, code, expected, hint) => {
    const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
    server.fail({ match: /a\.json/, failure: failure(status, code, 'no') });
    await expect(object && readText(object)).rejects.toMatchObject({
      code: expected,
      hint: expect.stringMatching(hint),
    });
  });

  test('to its end is reported with what arrived, and can be read again', async () => {
    const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
    server.fail({ match: /a\.json/, times: 1, failure: { cutAfterBytes: 3 } });
    await expect(object && readText(object)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringMatching(/ended after 3 of 8 bytes \(the connection broke\)/),
    });
    expect(object && (await readText(object))).toBe('one\ntwo\n');
  });
});

test('a body that is shorter than listed is not taken for the whole', async () => {
  const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
  server.fail({ match: /a\.json/, times: 1, failure: { endAfterBytes: 4 } });
  await expect(object && readText(object)).rejects.toMatchObject({ code: 'ERR_SOURCE_READ' });
});

test('bytes are read as they are stored, whatever the metadata says', async () => {
  const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
  expect(object && (await readText(object))).toBe('one\ntwo\n');
  expect(server.headers.every((headers) => headers['accept-encoding'] === undefined)).toBe(true);
});

test('a read names the version that was listed, so that Azure sends no other', async () => {
  const [object] = (await listAll(sourceWith(keyEnvironment()))).objects;
  expect(object && (await readText(object))).toBe('one\ntwo\n');
  expect(server.headers.at(-1)?.['if-match']).toBe(`"${object?.version.etag}"`);
});

test('directories of a hierarchical namespace are no deliveries', async () => {
  server.store.put('logs', 'workspaceId=7', '', { isFolder: true });
  server.store.put('logs', 'workspaceId=7/date=2026-09-01', '', { isFolder: true });
  const { objects, faults } = await listAll(sourceWith(keyEnvironment()));
  expect([objects.length, faults]).toEqual([1, []]);
});

test('a blob that is appended to in the delivery layout may be incomplete, others are not', async () => {
  server.store.append('logs', 'workspaceId=7/date=2026-09-01/b.json', 'half');
  const { objects } = await listAll(sourceWith(keyEnvironment(), 'az://logs', 2));
  expect(objects.map(({ growing }) => growing)).toEqual([false, true]);
});

function failure(status: number, code: string, message: string, headers = {}): Failure {
  return { status, code, message, headers: { 'x-ms-error-code': code, 'content-type': 'application/xml', ...headers } };
}

function sourceWith(
  environment: Readonly<Record<string, string | undefined>>,
  url = 'az://logs',
  stillAfterPolls = 0,
): Source {
  const { sources } = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE: url });
  const [source] = createSources(sources, { stillAfterPolls, clock });
  if (source === undefined) throw new Error('no source');
  onTestFinished(() => source.close());
  return source;
}

async function errorOf(source: Source): Promise<AgentError> {
  return await listAll(source).then(
    () => Promise.reject(new Error('it succeeded')),
    (error) => error,
  );
}

function expectNoSecrets({ message, hint, cause }: AgentError): void {
  const told = `${message} ${hint} ${String(cause)}`;
  expect(told).not.toMatch(/Eby8vdM02|c2VjcmV0|SharedKey/);
}
