import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import type { Source } from '../../../src/contracts/source.ts';
import type { DeliveredObject, ObjectOrigin } from '../../../src/model/object.ts';
import { s3Timeouts } from '../../../src/runtime/aws/s3-client.ts';
import { createSources } from '../../../src/sources/index.ts';
import { createS3Client } from '../../../src/sources/s3/client.ts';
import { listAll, readText } from '../../support/listing.ts';
import { type S3Server, startS3Server } from '../../support/s3-server.ts';

let server: S3Server;
let bucket = '';
let bucketCount = 0;

beforeAll(async () => {
  server = await startS3Server();
});
afterAll(() => server.stop());
beforeEach(async () => {
  server.healAll();
  bucket = `audit-${++bucketCount}`;
  await server.createBucket(bucket);
  server.clearRequests();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe('a poll', () => {
  test('consists only of listings, however many unchanged objects there are', async () => {
    await putDays('workspaceId=1/', 3);
    await listAll(source());
    await listAll(source());
    expect(server.count('GetObject')).toBe(0);
    expect(server.count('ListObjectsV2')).toBe(4);
  });

  test('costs the same whatever the age of the bucket, in both layouts', async () => {
    const costs: number[] = [];
    for (const dayCount of [10, 1_500]) {
      await putDays('workspaceId=1/', dayCount);
      await putDays('', dayCount);
      server.clearRequests();
      const { objects } = await listAll(source(), { from: '2019-12-30' });
      expect(objects.map(({ origin }) => origin.date)).toEqual([
        '2019-12-30',
        '2019-12-31',
        '2019-12-30',
        '2019-12-31',
      ]);
      costs.push(server.requests.length);
    }
    expect(costs).toEqual([3, 3]);
  });

  test('ends a listing at the first date after the range', async () => {
    await putDays('workspaceId=1/', 2_500);
    server.clearRequests();
    const { objects } = await listAll(source(), { from: '2013-03-01', before: '2013-03-03' });
    expect(objects.map(({ origin }) => origin.date)).toEqual(['2013-03-01', '2013-03-02']);
    expect(server.requests.length).toBe(2);
  });

  test('takes one request per 1,000 objects', async () => {
    for (let index = 0; index < 10_000; index++) {
      const name = String(index).padStart(5, '0');
      await server.put(bucket, `workspaceId=1/date=2026-09-01/auditlogs_${name}.json`, '{}\n');
    }
    const { objects } = await listAll(source());
    expect(new Set(objects.map(({ origin }) => origin.id)).size).toBe(10_000);
    expect(server.requests.length).toBe(11);
  });

  test('lists more workspaces than fit into one page', async () => {
    for (let id = 10_000; id < 11_100; id++) await server.put(bucket, `workspaceId=${id}/date=2026-09-01/a.json`, '');
    const ids = new Set<string | undefined>();
    const request = { dates: { from: '2026-09-01', before: undefined }, signal, onFault: () => {} };
    for await (const { workspaceId } of source().list(request)) ids.add(workspaceId);
    expect(ids.size).toBe(1_100);
    expect(server.requests.length).toBe(3); // Two pages, and once whether there is any delivery at all.
  });
});

describe('the layout', () => {
  test('gives an object its bucket, key, workspace and date', async () => {
    await server.put(bucket, 'logs/audit/workspaceId=7/date=2026-09-01/auditlogs_1.json', 'x');
    const [object] = (await listAll(source('logs/audit'))).objects;
    expect(object?.origin).toEqual({
      id: `s3://${bucket}/logs/audit/workspaceId=7/date=2026-09-01/auditlogs_1.json`,
      fileName: 'auditlogs_1.json',
      location: {
        'aws.s3.bucket': bucket,
        'aws.s3.key': 'logs/audit/workspaceId=7/date=2026-09-01/auditlogs_1.json',
      },
      workspaceId: '7',
      date: '2026-09-01',
    });
  });

  test('treats a prefix as whole segments, with or without a trailing slash', async () => {
    await server.put(bucket, 'audit/workspaceId=7/date=2026-09-01/a.json', 'x');
    await server.put(bucket, 'audit-old/workspaceId=8/date=2026-09-01/a.json', 'x');
    for (const prefix of ['audit', 'audit/']) {
      const { workspaces } = await listAll(source(prefix));
      expect(workspaces.map(({ workspaceId }) => workspaceId)).toEqual(['7']);
    }
  });

  test('may be in a folder whose key begins with a slash, which a source of the bucket suggests', async () => {
    await server.put(bucket, '/aud/workspaceId=7/date=2026-09-01/a.json', 'x');
    expect((await listAll(source())).faults).toMatchObject([
      {
        message: `Found no deliveries in s3://${bucket}, but "/aud"`,
        hint: `Try DATABRICKS_AUDIT_SOURCE=s3://${bucket}//aud`,
      },
    ]);
    const { objects, faults } = await listAll(source('/aud'));
    expect(faults).toEqual([]);
    expect(await Promise.all(objects.map((object) => readText(object)))).toEqual(['x']);
  });

  test('may start at one workspace', async () => {
    await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.json', 'x');
    const { workspaces, faults } = await listAll(source('workspaceId=7'));
    expect(workspaces).toMatchObject([{ workspaceId: '7', objects: [{ origin: { date: '2026-09-01' } }] }]);
    expect(faults).toEqual([]);
  });

  test('reports objects outside of it once per listing, with the first names', async () => {
    await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.json', 'x');
    for (const key of ['workspaceId=7/date=2026-09-01/b.csv', 'workspaceId=7/other/c.json', 'workspaceId=7/d.json']) {
      await server.put(bucket, key, 'x');
    }
    for (const key of [
      'date=',
      'date=today/e.json',
      'notes.txt',
      '_SUCCESS',
      'workspaceId=7/',
      'tmp\u001b[2J/f.json',
    ]) {
      await server.put(bucket, key, 'x');
    }
    const { objects, faults } = await listAll(source());
    expect(objects.map(({ origin }) => origin.fileName)).toEqual(['a.json']);
    expect(faults.map(({ code }) => code)).toEqual(['ERR_SOURCE_LAYOUT', 'ERR_SOURCE_LAYOUT']);
    expect(faults[0]?.message).toContain('"workspaceId=7/date=2026-09-01/b.csv"');
    expect(faults[0]?.message).toContain('c.json');
    expect(faults[1]?.message).toContain('"date=today/", "tmp\\u{1b}[2J/"');
    expect(faults[1]?.message).toContain('1 more');
    expect(faults.map(({ message }) => message).join('')).not.toMatch(/\p{Cc}/u);
  });

  test.each([
    ['above of it', '', 'logs/audit'],
    ['beside it', 'logs', 'logs/audit'],
    ['in one of its dates', 'logs/audit/workspaceId=7/date=2026-09-01', 'logs/audit'],
  ])('is located and suggested if the source is %s', async (_, prefix, suggestion) => {
    await server.put(bucket, 'logs/audit/workspaceId=7/date=2026-09-01/a.json', 'x');
    const { objects, faults } = await listAll(source(prefix), { from: '2026-09-01' });
    expect(objects).toEqual([]);
    expect(faults).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', hint: `Try DATABRICKS_AUDIT_SOURCE=s3://${bucket}/${suggestion}` },
    ]);
  });

  test('reports what is there if there is no layout anywhere', async () => {
    await server.put(bucket, 'exports/a.json', 'x');
    await server.put(bucket, 'images/b.png', 'x');
    expect((await listAll(source())).faults).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', message: expect.stringContaining('but "exports", "images"') },
    ]);
  });

  test.each([
    ['beside it', 'exports/audit'],
    ['below a folder of its own', 'wrong/way'],
  ])('is looked for around the source when that is %s', async (_, prefix) => {
    await server.put(bucket, 'audit-logs/workspaceId=7/date=2026-09-01/a.json', 'x');
    await server.put(bucket, `${prefix}/b.csv`, 'x');
    expect((await listAll(source(prefix))).faults).toMatchObject([
      { code: 'ERR_SOURCE_NO_DELIVERIES', hint: `Try DATABRICKS_AUDIT_SOURCE=s3://${bucket}/audit-logs` },
    ]);
    expect((await listAll(source('audit-lgos'))).faults).toMatchObject([
      { code: 'ERR_SOURCE_EMPTY', hint: `Try DATABRICKS_AUDIT_SOURCE=s3://${bucket}/audit-logs` },
    ]);
  });

  test('is searched around the source once', async () => {
    await server.put(bucket, 'exports/b.csv', 'x');
    const exports = source('exports');
    await listAll(exports);
    server.clearRequests();
    await listAll(exports);
    expect(server.requests.length).toBe(2);
  });

  test('is missing when there are folders of the layout without a delivery', async () => {
    await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.parquet', 'x');
    const { faults } = await listAll(source(), { from: '2026-09-01' });
    expect(faults.map(({ code }) => code)).toContain('ERR_SOURCE_NO_DELIVERIES');
  });

  test('is not missed while there are only hidden names and markers of folders, nor once it has been seen', async () => {
    for (const key of ['_SUCCESS', 'workspaceId=7/', 'workspaceId=7/date=2026-09-01/_started'])
      await server.put(bucket, key, '');
    const audit = source();
    expect((await listAll(audit)).faults).toMatchObject([{ code: 'ERR_SOURCE_EMPTY' }]);
    await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.json', 'x');
    expect((await listAll(audit)).faults).toEqual([]);
    await server.delete(bucket, 'workspaceId=7/date=2026-09-01/a.json');
    expect((await listAll(audit)).faults).toEqual([]);
  });

  test('is not reported if all dates are before the range', async () => {
    await server.put(bucket, 'date=2018-01-15/part-0.json.gz', 'x');
    expect(await listAll(source(), { from: '2026-09-01' })).toEqual({
      workspaces: [],
      objects: [],
      candidates: [],
      faults: [],
    });
  });

  test('is reported as empty if there is nothing yet', async () => {
    expect((await listAll(source('audit'))).faults).toMatchObject([
      { message: `There is nothing in s3://${bucket}/audit yet` },
    ]);
  });
});

describe('a failure', () => {
  test('of one workspace is reported while the others continue', async () => {
    for (const id of ['1', '2', '3']) await server.put(bucket, `workspaceId=${id}/date=2026-09-01/a.json`, 'x');
    server.fail({ operation: 'ListObjectsV2', path: 'workspaceId=2/' }, { status: 403, code: 'AccessDenied' });
    const { objects, faults } = await listAll(source());
    expect(objects.map(({ origin }) => origin.workspaceId)).toEqual(['1', '3']);
    expect(faults).toMatchObject([
      { code: 'ERR_SOURCE_ACCESS_DENIED', hint: expect.stringContaining(`s3:ListBucket on arn:aws:s3:::${bucket}`) },
    ]);
  });

  test.each([
    [{ status: 403, code: 'AccessDenied' }, 'ERR_SOURCE_ACCESS_DENIED', /s3:ListBucket on arn:aws:s3:::audit/],
    [{ status: 403, code: 'ExpiredToken' }, 'ERR_SOURCE_CREDENTIALS', /Renew/],
    [{ status: 403, code: 'SignatureDoesNotMatch' }, 'ERR_SOURCE_CREDENTIALS', /secret key/],
    [{ status: 503, code: 'SlowDown' }, 'ERR_SOURCE_THROTTLED', /POLL_INTERVAL/],
    [{ status: 500, code: 'InternalError' }, 'ERR_SOURCE_READ', /tries again/],
    [
      { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-1' } },
      'ERR_CONFIGURATION',
      /AWS_REGION to eu-west-1/,
    ],
  ])('of a listing has a hint: %o', async (failure, code, hint) => {
    server.fail({ operation: 'ListObjectsV2' }, failure);
    await expect(listAll(source())).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
  });

  test.each([
    [
      { status: 403, code: 'AccessDenied' },
      'ERR_SOURCE_ACCESS_DENIED',
      /s3:GetObject on arn:aws:s3:::audit-\d+\/workspaceId=/,
    ],
    [
      { status: 403, code: 'AccessDenied', message: 'no identity-based policy allows the kms:Decrypt action' },
      'ERR_SOURCE_ACCESS_DENIED',
      /kms:Decrypt/,
    ],
    [{ status: 403, code: 'InvalidObjectState' }, 'ERR_SOURCE_READ', /Restore/],
    [{ status: 412, code: 'PreconditionFailed' }, 'ERR_OBJECT_CHANGED', /next listing/],
    [{ status: 404, code: 'NoSuchKey' }, 'ERR_OBJECT_GONE', /deleted/],
  ])('of reading has a hint: %o', async (failure, code, hint) => {
    const object = await putOne('x\n');
    server.fail({ operation: 'GetObject' }, failure);
    await expect(readText(object)).rejects.toMatchObject({ code, hint: expect.stringMatching(hint) });
  });

  test('that is transient is retried', async () => {
    const object = await putOne('x\n');
    server.fail({ operation: 'GetObject', times: 1 }, { status: 503, code: 'SlowDown' });
    expect(await readText(object)).toBe('x\n');
    expect(server.count('GetObject')).toBe(2);
  });

  test('in the middle of a body is an error, never a silent end', async () => {
    const object = await putOne('x'.repeat(1_000_000));
    server.breakBody({ operation: 'GetObject' }, { afterBytes: 300_000, ending: 'cut' });
    await expect(readText(object)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringMatching(/the body ended after \d+ of 1000000 bytes \(ECONNRESET\)$/),
    });
  });

  test('is reported for a body that hangs for longer than the idle timeout', async () => {
    const { origin, version } = await putOne('x'.repeat(1_000_000));
    server.breakBody({ operation: 'GetObject' }, { afterBytes: 300_000, ending: 'hang' });
    const client = createS3Client({ ...s3Timeouts, idleTimeoutMs: 2_000 });
    const read = async () => buffer(await client.read({ bucket, key: keyOf(origin), ...version }, signal));
    await expect(read()).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringMatching(/the body ended after \d+ of 1000000 bytes \(TimeoutError\)$/),
    });
    await client.close();
  });

  test('is the reason of the signal if it aborts while a body hangs', async () => {
    const object = await putOne('x'.repeat(1_000_000));
    server.breakBody({ operation: 'GetObject' }, { afterBytes: 300_000, ending: 'hang' });
    const stopping = new AbortController();
    const reading = readText(object, stopping.signal);
    await expect.poll(() => server.count('GetObject')).toBe(1);
    const reason = new Error('stopping');
    stopping.abort(reason);
    await expect(reading).rejects.toBe(reason);
  });

  test('is reported if the version changes between listing and opening', async () => {
    const object = await putOne('one\n');
    const key = keyOf(object.origin);
    server.before({ operation: 'GetObject', times: 1 }, () => server.put(bucket, key, 'two\n'));
    await expect(readText(object)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    expect(server.requests.at(-1)?.status).toBe(412);
  });

  test('is reported if a server ignores If-Match and returns another version', async () => {
    const object = await putOne('one\n');
    const fake = createHttpServer((_, response) => response.writeHead(200, { etag: '"other"' }).end('two\n'));
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void fake.close());
    vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${(fake.address() as AddressInfo).port}`);
    const client = createS3Client();
    const key = keyOf(object.origin);
    await expect(client.read({ bucket, key, ...object.version }, signal)).rejects.toMatchObject({
      code: 'ERR_OBJECT_CHANGED',
    });
    await client.close();
  });

  test('is reported for a bucket that does not exist', async () => {
    await expect(listAll(sourceAt('s3://no-such-bucket'))).rejects.toMatchObject({
      code: 'ERR_SOURCE_NOT_FOUND',
      message: 'Could not list s3://no-such-bucket/: there is no bucket no-such-bucket',
    });
  });

  test('is reported for a server that is not reachable', async () => {
    const port = await unusedPort();
    vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${port}`);
    await expect(listAll(source())).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining(`127.0.0.1:${port} is not reachable (ECONNREFUSED)`),
    });
  });

  test('to create the client is retried by the next call, and does not affect closing', async () => {
    let failure: Error | undefined = new Error('EMFILE: too many open files');
    const settings = {
      get maxAttempts() {
        if (failure !== undefined) throw failure;
        return 1;
      },
    };
    const client = createS3Client(s3Timeouts, settings);
    const list = () => client.list({ bucket, prefix: '' }, signal)[Symbol.asyncIterator]().next();
    await expect(list()).rejects.toMatchObject({ code: 'ERR_SOURCE_READ' });
    await client.close();
    failure = undefined;
    expect(await list()).toMatchObject({ value: { objects: [] } });
    await client.close();
  });

  test('is reported if no region is set', async () => {
    vi.stubEnv('AWS_REGION', undefined);
    vi.stubEnv('AWS_CONFIG_FILE', '/nonexistent');
    await expect(listAll(source())).rejects.toMatchObject({
      code: 'ERR_CONFIGURATION',
      hint: expect.stringContaining('AWS_REGION'),
    });
  });

  test('is reported if no credentials are set', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, undefined);
    for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nonexistent');
    await expect(listAll(source())).rejects.toMatchObject({
      code: 'ERR_SOURCE_CREDENTIALS',
      hint: expect.stringContaining('AWS_ROLE_ARN'),
    });
  });
});

test('a custom endpoint uses path-style addressing, because it has no host name per bucket', async () => {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', server.endpoint.replace('127.0.0.1', 'localhost'));
  await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.json', 'x\n');
  const [object] = (await listAll(source())).objects;
  expect(object && (await readText(object))).toBe('x\n');
});

const signal = new AbortController().signal;

function source(prefix = ''): Source {
  return sourceAt(`s3://${bucket}/${prefix}`);
}

function sourceAt(location: string): Source {
  const { sources } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: location });
  const [created] = createSources(sources, { stillAfterPolls: 0 });
  onTestFinished(() => created?.close());
  return created as Source;
}

function keyOf({ location }: ObjectOrigin): string {
  return location['aws.s3.key'] ?? '';
}

async function putOne(content: string): Promise<DeliveredObject> {
  await server.put(bucket, 'workspaceId=7/date=2026-09-01/a.json', content);
  const [object] = (await listAll(source())).objects;
  return object as DeliveredObject;
}

/** One object per day, the last on 2019-12-31. */
async function putDays(folder: string, dayCount: number): Promise<void> {
  const lastDay = Date.UTC(2019, 11, 31);
  for (let day = 0; day < dayCount; day++) {
    const date = new Date(lastDay - day * 86_400_000).toISOString().slice(0, 10);
    await server.put(bucket, `${folder}date=${date}/a.json`, '{}\n');
  }
}

async function unusedPort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
