/**
 * What is particular to Google Cloud Storage; test/contracts/source-contract.ts has what every source does.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { Source } from '../../../src/contracts/source.ts';
import type { AgentError } from '../../../src/model/agent-error.ts';
import { createSources } from '../../../src/sources/index.ts';
import { listAll, readText } from '../../support/listing.ts';
import { type GcsServer, startGcsServer } from '../../support/object-servers/gcs-server.ts';
import { type PatientClock, patientClock } from '../../support/patient-clock.ts';

let server: GcsServer;
let clock: PatientClock;
beforeAll(async () => {
  server = await startGcsServer();
});
afterAll(() => server.stop());
beforeEach(() => {
  server.heal();
  server.store.containers.clear();
  server.store.put('logs', path, 'one\ntwo\n');
  clock = patientClock();
});

const path = 'audit/workspaceId=7/date=2026-09-01/a.json';

test('an object says where it is', async () => {
  const [object] = (await listAll(source())).objects;
  expect(object?.origin).toMatchObject({
    id: `gs://logs/${path}`,
    location: { 'gcp.storage.bucket.name': 'logs', 'log.file.path': path },
  });
});

test('a version is a generation: the same content written again has a new one', async () => {
  const listed = source();
  const [before] = (await listAll(listed)).objects;
  server.store.put('logs', path, 'one\ntwo\n');
  const [after] = (await listAll(listed)).objects;
  expect(after?.version.etag).not.toBe(before?.version.etag);
  await expect(before && readText(before)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
  expect(after && (await readText(after))).toBe('one\ntwo\n');
});

test('a listing starts at the first date', async () => {
  await listAll(source(), { from: '2026-08-30' });
  expect(server.requests.some((request) => request.includes('startOffset=audit/workspaceId=7/date=2026-08-30'))).toBe(
    true,
  );
});

test('objects are read as they are stored, without decompression by the server', async () => {
  const [object] = (await listAll(source())).objects;
  expect(object && (await readText(object))).toBe('one\ntwo\n');
  expect(server.headers.every((headers) => headers['accept-encoding'] === 'gzip')).toBe(true);
});

describe('an answer', () => {
  test.each<[number, string, string, string, RegExp]>([
    [401, 'authError', 'Invalid Credentials', 'ERR_SOURCE_CREDENTIALS', /GOOGLE_APPLICATION_CREDENTIALS/],
    [
      403,
      'forbidden',
      'x does not have storage.objects.list access',
      'ERR_SOURCE_ACCESS_DENIED',
      /roles\/storage.objectViewer\) on the bucket logs/,
    ],
    [403, 'rateLimitExceeded', 'slow', 'ERR_SOURCE_THROTTLED', /POLL_INTERVAL/],
    [429, 'rateLimitExceeded', 'slow', 'ERR_SOURCE_THROTTLED', /POLL_INTERVAL/],
    [503, 'backendError', 'busy', 'ERR_SOURCE_THROTTLED', /POLL_INTERVAL/],
    [500, 'backendError', 'oops', 'ERR_SOURCE_READ', /tries again/],
    [404, 'notFound', 'no', 'ERR_SOURCE_NOT_FOUND', /DATABRICKS_AUDIT_SOURCE/],
    [
      400,
      'required',
      'Bucket is a requester pays bucket but no user project provided.',
      'ERR_SOURCE_ACCESS_DENIED',
      /Requester Pays/,
    ],
    [
      403,
      'vpcServiceControls',
      "Request is prohibited by organization's policy. vpcServiceControls",
      'ERR_SOURCE_ACCESS_DENIED',
      /perimeter/,
    ],
  ])('of %i %s to a listing is explained', async (status, code, message, expected, hint) => {
    server.fail({ match: /\/o\?/, failure: { status, code, message } });
    const error = await errorOf(source());
    expect(error).toMatchObject({ code: expected });
    expect(error.hint).toMatch(hint);
  });

  test.each<[number, string, string]>([
    [403, 'ERR_SOURCE_ACCESS_DENIED', 'storage.objects.get'],
    [412, 'ERR_OBJECT_CHANGED', 'changed'],
    [416, 'ERR_SOURCE_READ', 'HTTP 416'],
  ])('of %i to a read is explained', async (status, expected, message) => {
    const [object] = (await listAll(source())).objects;
    server.fail({ match: /alt=media/, failure: { status, code: '' } });
    await expect(object && readText(object)).rejects.toMatchObject({
      code: expected,
      message: expect.stringContaining(message),
    });
  });

  test('that is no listing is reported, because objects might be missing', async () => {
    server.fail({ match: /\/o\?/, failure: { status: 200, code: 'fine' } });
    expect(await errorOf(source())).toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('invalid listing response'),
    });
  });

  test('that asks to wait is followed, unless a poll comes earlier', async () => {
    const busy = (seconds: string) => ({ status: 429, code: 'rateLimitExceeded', headers: { 'retry-after': seconds } });
    server.fail({ match: /\/o\?/, times: 1, failure: busy('9') });
    expect((await listAll(source())).objects).toHaveLength(1);
    expect(clock.sleptMs).toEqual([9_000]);
    server.fail({ match: /\/o\?/, failure: busy('90') });
    expect(await errorOf(source())).toMatchObject({ code: 'ERR_SOURCE_THROTTLED' });
    expect(clock.sleptMs).toEqual([9_000]);
  });
});

test('a body that breaks off is reported with what arrived', async () => {
  const [object] = (await listAll(source())).objects;
  server.fail({ match: /alt=media/, times: 1, failure: { cutAfterBytes: 3 } });
  await expect(object && readText(object)).rejects.toMatchObject({
    code: 'ERR_SOURCE_READ',
    message: expect.stringContaining('ended after 3 of 8 bytes'),
  });
  expect(object && (await readText(object))).toBe('one\ntwo\n');
});

test('a body that is shorter than listed is not taken for the whole', async () => {
  const [object] = (await listAll(source())).objects;
  server.fail({ match: /alt=media/, times: 1, failure: { endAfterBytes: 4 } });
  await expect(object && readText(object)).rejects.toMatchObject({ code: 'ERR_SOURCE_READ' });
});

test('a server that is not there is reported', async () => {
  const error = await errorOf(source({ STORAGE_EMULATOR_HOST: 'http://127.0.0.1:1' }));
  expect(error).toMatchObject({ code: 'ERR_SOURCE_READ', message: expect.stringContaining('ECONNREFUSED') });
});

test('credentials that cannot be read are reported', async () => {
  vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nonexistent/key.json');
  onTestFinished(() => void vi.unstubAllEnvs());
  expect(await errorOf(source({}))).toMatchObject({
    code: 'ERR_SOURCE_CREDENTIALS',
    hint: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS'),
  });
});

test.each(['not a url', 'ftp://host'])('STORAGE_EMULATOR_HOST=%s is a problem', (host) => {
  expect(() => source({ STORAGE_EMULATOR_HOST: host })).toThrow(
    'STORAGE_EMULATOR_HOST: expected the URL of an emulator',
  );
});

function source(environment: Readonly<Record<string, string>> = server.environment): Source {
  const { sources } = loadConfiguration({ ...environment, DATABRICKS_AUDIT_SOURCE: 'gs://logs/audit' });
  const [created] = createSources(sources, { stillAfterPolls: 0, clock });
  if (created === undefined) throw new Error('no source');
  onTestFinished(() => created.close());
  return created;
}

async function errorOf(listed: Source): Promise<AgentError> {
  return await listAll(listed).then(
    () => Promise.reject(new Error('it succeeded')),
    (error) => error,
  );
}
