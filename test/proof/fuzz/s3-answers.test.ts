/**
 * Listing responses that S3 would not send, through the real source and the real SDK. In every case the listing ends, either with
 * distinct objects or with an error, and never silently omits objects.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { AgentError } from '../../../src/model/agent-error.ts';
import { createSources } from '../../../src/sources/index.ts';
import { type Listing, listAll } from '../../support/listing.ts';
import { testSeed } from '../../support/seed.ts';
import { hostileText } from './hostile-values.ts';
import { Random } from './random.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer = (_request, response) => response.end();
let requestCount = 0;
const server = createServer((request, response) => {
  requestCount++;
  request.resume();
  answer(request, response);
});

beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close().closeAllConnections());
beforeEach(() => {
  requestCount = 0;
  vi.stubEnv('AWS_ENDPOINT_URL_S3', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_REGION', 'us-east-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAIOSFODNN7EXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY');
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  onTestFinished(() => void vi.unstubAllEnvs());
});

describe('a listing', () => {
  it('of arbitrary responses ends with distinct objects, or with an error', async () => {
    for (let index = 0; index < 300; index++) {
      const random = Random.ofItem(testSeed, index);
      const answers: string[] = [];
      answer = (_request, response) => {
        const text = answers.length < 20 ? hostileAnswer(random) : page('');
        answers.push(text);
        response.writeHead(
          random.chance(0.95) ? 200 : random.pick([204, 301, 400, 403, 404, 412]),
          contentType(random),
        );
        response.end(text);
      };
      const told = `seed ${testSeed}, answers ${index}: ${JSON.stringify(answers)}`;
      const listing = await list().catch((error: unknown) => error);
      if (listing instanceof AgentError) continue;
      checkListing(listing as Listing, told);
    }
  });

  it.each([
    ['an entry without its ETag', entry({ etag: '' })],
    ['an entry without its key', entry({ key: '' })],
    ['an entry without its size', entry({ size: '' })],
    ['an entry without its time', entry({ modified: '' })],
    ['an entry with half a size', entry({ size: '<Size>1x</Size>' })],
    ['an entry with a negative size', entry({ size: '<Size>-1</Size>' })],
    ['an entry with no time', entry({ modified: '<LastModified>yesterday</LastModified>' })],
    ['more to come and no token', `${entry()}<IsTruncated>true</IsTruncated>`],
    [
      'the same token again',
      `${entry()}<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>`,
    ],
  ])('with %s is an error, not a shorter listing', async (_name, content) => {
    answer = (_request, response) => response.end(page(content));
    const { faults } = await listFolder();
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_READ', hint: expect.any(String) }]);
    expect(requestCount).toBeLessThan(5);
  });

  it.each([
    ['a page of HTML', '<html><body>Sign in</body></html>'],
    ['XML that is cut', page(entry()).slice(0, -40)],
    ['JSON', '{"Contents":[]}'],
    ['an error with status 200', '<Error><Code>InternalError</Code><Message>no</Message></Error>'],
  ])('that is %s is an error, not an empty listing', async (_name, text) => {
    answer = (_request, response) => response.end(text);
    await expect(list()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_SOURCE_(READ|THROTTLED)$/) });
  });

  it('with continuation tokens that repeat is an error', async () => {
    answer = (_request, response) => {
      const token = `<NextContinuationToken>${requestCount % 7}</NextContinuationToken>`;
      response.end(page(`${entry()}<IsTruncated>true</IsTruncated>${token}`));
    };
    const { faults } = await listFolder();
    expect(faults).toMatchObject([{ code: 'ERR_SOURCE_READ' }]);
    expect(requestCount).toBeLessThan(30);
  });

  it('with an endless series of tokens can be stopped', async () => {
    const stop = new AbortController();
    answer = (_request, response) => {
      if (requestCount === 50) stop.abort(new Error('stopped'));
      const token = `<NextContinuationToken>${requestCount}</NextContinuationToken>`;
      response.end(page(`<IsTruncated>true</IsTruncated>${token}`));
    };
    const [source] = createSources([location], { stillAfterPolls: 0 });
    const listing = source?.list({ dates: everything, signal: stop.signal, onFault: () => {} });
    await expect(listing?.[Symbol.asyncIterator]().next()).rejects.toThrow('stopped');
    await source?.close();
  });
});

const location = { kind: 's3', bucket: 'audit', prefix: '', name: 's3://audit', pollIntervalMs: 60_000 } as const;
const everything = { from: undefined, before: undefined };

async function list(): Promise<Listing> {
  const [source] = createSources([location], { stillAfterPolls: 0 });
  if (source === undefined) throw new Error('there is a source');
  try {
    return await listAll(source);
  } finally {
    await source.close();
  }
}

/** The response to listing the only workspace in the bucket. */
async function listFolder(): Promise<Listing> {
  const ofFolder = answer;
  answer = (request, response) => {
    if (request.url?.includes('workspaceId') === true) return ofFolder(request, response);
    // Whether the bucket contains a delivery at all.
    if (request.url?.includes('delimiter') !== true) return void response.end(page(entry()));
    return void response.end(page('<CommonPrefixes><Prefix>workspaceId=1/</Prefix></CommonPrefixes>'));
  };
  return await list();
}

function checkListing({ objects, faults }: Listing, told: string): void {
  for (const fault of faults) expect(fault, told).toBeInstanceOf(AgentError);
  for (const { origin, version } of objects) {
    expect(version.etag, told).not.toBe('');
    expect(version.sizeBytes >= 0 && Number.isSafeInteger(version.sizeBytes), told).toBe(true);
    expect(Number.isFinite(version.modifiedAtMs), told).toBe(true);
    expect(origin.id, told).toBe(`s3://audit/${origin.location['aws.s3.key']}`);
    expect(origin.date, told).toMatch(/^\d{4}-\d\d-\d\d$/);
  }
}

function page(content: string): string {
  const truncated = content.includes('<IsTruncated>') ? '' : '<IsTruncated>false</IsTruncated>';
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>audit</Name><Prefix/><MaxKeys>1000</MaxKeys>${content}${truncated}</ListBucketResult>`;
}

interface EntryParts {
  readonly key: string;
  readonly etag: string;
  readonly size: string;
  readonly modified: string;
}

function entry(parts: Partial<EntryParts> = {}): string {
  const { key, etag, size, modified } = {
    key: '<Key>workspaceId=1/date=2026-01-31/auditlogs_1.json</Key>',
    etag: '<ETag>&quot;0123456789abcdef&quot;</ETag>',
    size: '<Size>12</Size>',
    modified: '<LastModified>2026-01-31T00:00:00.000Z</LastModified>',
    ...parts,
  };
  return `<Contents>${key}${modified}${etag}${size}<StorageClass>STANDARD</StorageClass></Contents>`;
}

function hostileAnswer(random: Random): string {
  const entries = random.list(random.size(6), () => (random.chance(0.3) ? folder(random) : hostileEntry(random)));
  const token = random.chance(0.3)
    ? `<IsTruncated>${random.pick(['true', 'True', '1', 'x', ''])}</IsTruncated><NextContinuationToken>${random.pick(['', 'a', 'b', xmlText(random)])}</NextContinuationToken>`
    : '';
  const whole = page(`${entries.join('')}${token}`);
  if (random.chance(0.8)) return whole;
  const at = random.below(whole.length);
  return (
    whole.slice(0, at) +
    random.pick(['', '<', '&', '&#x1b;', '&lol;', '\0', ']]>', '<!--', '<!DOCTYPE a [<!ENTITY b "c">]>']) +
    whole.slice(at + random.size(30))
  );
}

function hostileEntry(random: Random): string {
  const perhaps = (tag: string, usual: string) =>
    random.pick([usual, usual, usual, usual, '', `<${tag}/>`, `<${tag}>${xmlText(random)}</${tag}>`, usual + usual]);
  const name = random.chance(0.5) ? `auditlogs_${random.below(5)}.json` : `${xmlText(random)}.json`;
  return entry({
    key: perhaps('Key', `<Key>workspaceId=1/date=2026-01-31/${name}</Key>`),
    etag: perhaps('ETag', '<ETag>&quot;0123456789abcdef&quot;</ETag>'),
    size: perhaps('Size', `<Size>${random.pick(['0', '12', '1e3', '-1', '9007199254740993', 'NaN', '1.5'])}</Size>`),
    modified: perhaps('LastModified', '<LastModified>2026-01-31T00:00:00.000Z</LastModified>'),
  });
}

function folder(random: Random): string {
  const name = random.pick([
    'workspaceId=1/',
    'workspaceId=/',
    'date=2026-01-31/',
    'date=9999-99-99/',
    xmlText(random),
  ]);
  return `<CommonPrefixes><Prefix>${name}</Prefix></CommonPrefixes>`;
}

/** Well-formed or not: characters that XML forbids appear as references, and sometimes unescaped. */
function xmlText(random: Random): string {
  const text = random.chance(0.3) ? `../${hostileText(random)}` : hostileText(random);
  if (random.chance(0.1)) return text.slice(0, 500);
  return [...text.slice(0, 500)]
    .map((character) => (/[\w./=-]/.test(character) ? character : `&#${character.codePointAt(0)};`))
    .join('');
}

function contentType(random: Random): Record<string, string> {
  return random.chance(0.9)
    ? { 'content-type': 'application/xml' }
    : { 'content-type': random.pick(['text/html', 'application/json']) };
}
