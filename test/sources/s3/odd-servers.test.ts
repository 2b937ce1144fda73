/**
 * Servers and proxies that speak S3 in ways that AWS does not.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Source } from '../../../src/contracts/source.ts';
import { createSources } from '../../../src/sources/index.ts';
import { listAll, readText } from '../../support/listing.ts';

const modified = new Date('2026-09-01T10:30:00.000Z');
const key = 'workspaceId=7/date=2026-09-01/a.json';
const content = `{"text":"${'text '.repeat(1_000)}"}\n`;

interface Listed {
  readonly key?: string;
  readonly etag?: string;
  readonly sizeBytes?: number;
}

interface Answer {
  readonly status?: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | Uint8Array;
}

let listed: readonly Listed[] = [];
let answer: (request: IncomingMessage) => Answer = () => ({ headers: {}, body: '' });
let requests: IncomingMessage[] = [];

const server = createServer((request, response) => {
  requests.push(request);
  const url = new URL(request.url ?? '', 'http://server');
  if (url.searchParams.has('list-type')) return list(url.searchParams, response);
  const { status = 200, headers, body } = answer(request);
  response.writeHead(status, { 'last-modified': modified.toUTCString(), ...headers }).end(body);
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close().closeAllConnections());
beforeEach(() => {
  requests = [];
  listed = [{}];
  vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe('the tag of an object', () => {
  test.each([
    ['weak in both', 'W/"abc"', 'W/"abc"'],
    ['weak in the listing', 'W/"abc"', '"abc"'],
    ['weak when it is read', '"abc"', 'W/"abc"'],
    ['without quotes in the listing', 'abc', '"abc"'],
    ['with the encoding that a proxy put on', '"abc"', 'W/"abc-gzip"'],
    ['missing when it is read', '"abc"', undefined],
  ])('may be %s', async (_, etag, answered) => {
    listed = [{ etag }];
    answer = ({ headers }) => {
      // Weak tags match no If-Match.
      const isRefused = headers['if-match'] !== undefined && etag.startsWith('W/');
      return isRefused
        ? { status: 412, headers: {}, body: '' }
        : { headers: answered === undefined ? {} : { etag: answered }, body: content };
    };
    expect(await readOnce(openSource())).toBe(content);
    expect(requests.filter(({ url }) => url?.includes('a.json'))).toHaveLength(1);
  });

  test.each([
    ['refuses the condition', 412],
    ['ignores the condition', 200],
  ])('may be another one than in the listing: a server that %s is believed at the second visit', async (_, status) => {
    answer = ({ headers }) => {
      const isRefused = status === 412 && headers['if-match'] !== undefined;
      return isRefused ? { status, headers: {}, body: '' } : { headers: { etag: '"other"' }, body: content };
    };
    const source = openSource();
    await expect(readOnce(source)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    expect(await readOnce(source)).toBe(content);
  });

  test('of another version for ever is an error with the reason, not a change for ever', async () => {
    const longer = `${content}${content}`;
    answer = () => ({ headers: { etag: '"other"', 'content-length': longer.length }, body: longer });
    const source = openSource();
    for (let visit = 1; visit <= 2; visit++) {
      await expect(readOnce(source)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    }
    await expect(readOnce(source)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('listed with ETag abc but read with "other"'),
      hint: expect.stringContaining('cache'),
    });
  });

  test('that is refused for ever is an error with the reason', async () => {
    answer = () => ({ status: 412, headers: {}, body: '' });
    const source = openSource();
    for (let visit = 1; visit <= 2; visit++) {
      await expect(readOnce(source)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    }
    await expect(readOnce(source)).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining('even without a condition'),
    });
  });

  test('of a new version in each listing is a change and no error', async () => {
    const source = openSource();
    for (let version = 1; version <= 5; version++) {
      listed = [{ etag: `"${version}"` }];
      answer = () => ({ headers: { etag: `"${version + 1}"` }, body: content });
      await expect(readOnce(source)).rejects.toMatchObject({ code: 'ERR_OBJECT_CHANGED' });
    }
  });
});

describe('the body of an object', () => {
  const etag = '"abc"';

  test.each(['gzip', 'GZIP, aws-chunked', 'x-gzip'])('may be compressed on the way: %s', async (encoding) => {
    const compressed = gzipSync(content);
    answer = () => ({
      headers: { etag, 'content-encoding': encoding, 'transfer-encoding': 'chunked' },
      body: compressed,
    });
    expect(await readOnce(openSource(), 'latin1')).toBe(compressed.toString('latin1'));
  });

  test('may be unpacked on the way', async () => {
    listed = [{ sizeBytes: gzipSync(content).length }];
    answer = () => ({ headers: { etag, 'transfer-encoding': 'chunked' }, body: content });
    expect(await readOnce(openSource())).toBe(content);
  });

  test('may be labelled with what is no encoding', async () => {
    answer = () => ({ headers: { etag, 'content-encoding': 'utf-8' }, body: content });
    expect(await readOnce(openSource())).toBe(content);
  });

  test.each(['br', 'deflate'])('in an encoding that is not decoded is an error that names it: %s', async (encoding) => {
    answer = () => ({ headers: { etag, 'content-encoding': encoding }, body: content });
    await expect(readOnce(openSource())).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining(`Content-Encoding ${encoding}`),
    });
  });

  test('that is shorter than the listing says is an error that says so', async () => {
    answer = () => ({ headers: { etag, 'content-length': 5 }, body: content.slice(0, 5) });
    await expect(readOnce(openSource())).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining(`the listing shows ${content.length} bytes, but the server sends 5`),
    });
  });

  test('that ends early without a length is incomplete', async () => {
    answer = () => ({ headers: { etag, 'transfer-encoding': 'chunked' }, body: content.slice(0, 5) });
    await expect(readOnce(openSource())).rejects.toMatchObject({
      code: 'ERR_SOURCE_READ',
      message: expect.stringContaining(`the body ended after 5 of ${content.length} bytes`),
    });
  });
});

describe('a listing that is not in the order of its keys', () => {
  const days = ['2026-09-05', '2026-09-01', '2026-09-03', '2026-08-01', '2026-09-02'];

  test.each([
    ['within a page', 5],
    ['across pages', 2],
  ])('%s gives every object of the range all the same, and says so', async (_, pageKeys) => {
    pageKeysMax = pageKeys;
    onTestFinished(() => {
      pageKeysMax = 1_000;
    });
    listed = days.map((day) => ({ key: `workspaceId=7/date=${day}/a.json` }));
    const source = openSource();
    for (let listing = 1; listing <= 2; listing++) {
      const { objects, faults } = await listAll(source, { from: '2026-09-01', before: '2026-09-04' });
      const dates = new Set(objects.map(({ origin }) => origin.date));
      expect([...dates].toSorted()).toEqual(['2026-09-01', '2026-09-02', '2026-09-03']);
      expect(faults).toMatchObject([{ code: 'ERR_SOURCE_LAYOUT', message: expect.stringContaining('out of order') }]);
    }
    expect(requests.at(-1)?.url).not.toContain('start-after');
  });
});

let pageKeysMax = 1_000;

/** Like a directory bucket, it gives keys in the order in which it has them, and ignores start-after. */
function list(parameters: URLSearchParams, response: ServerResponse): void {
  const prefix = parameters.get('prefix') ?? '';
  const start = Number(parameters.get('continuation-token') ?? 0);
  const next = start + pageKeysMax;
  const xml = parameters.has('delimiter')
    ? '<CommonPrefixes><Prefix>workspaceId=7/</Prefix></CommonPrefixes><IsTruncated>false</IsTruncated>'
    : `${listed.slice(start, next).map(entry).join('')}<IsTruncated>${next < listed.length}</IsTruncated>
       ${next < listed.length ? `<NextContinuationToken>${next}</NextContinuationToken>` : ''}`;
  response.end(`<ListBucketResult><Name>audit</Name><Prefix>${prefix}</Prefix>${xml}</ListBucketResult>`);
}

function entry({ key: listedKey = key, etag = '"abc"', sizeBytes = content.length }: Listed): string {
  return `<Contents><Key>${listedKey}</Key><LastModified>${modified.toISOString()}</LastModified>
    <ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${sizeBytes}</Size></Contents>`;
}

function openSource(): Source {
  const location = { kind: 's3', bucket: 'audit', prefix: '', name: 's3://audit', pollIntervalMs: 60_000 } as const;
  const [source] = createSources([location], { stillAfterPolls: 0 });
  if (source === undefined) throw new Error('there is a source');
  onTestFinished(() => source.close());
  return source;
}

async function readOnce(source: Source, encoding: BufferEncoding = 'utf8'): Promise<string> {
  const [object] = (await listAll(source)).objects;
  if (object === undefined) throw new Error('nothing was listed');
  if (encoding === 'utf8') return await readText(object);
  const chunks: Uint8Array[] = [];
  for await (const chunk of await object.open(new AbortController().signal)) chunks.push(Uint8Array.from(chunk));
  return Buffer.concat(chunks).toString(encoding);
}
