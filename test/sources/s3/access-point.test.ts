import { Readable } from 'node:stream';
import { expect, test, vi } from 'vitest';
import { loadConfiguration } from '../../../src/config/index.ts';
import { s3Timeouts } from '../../../src/runtime/aws/s3-client.ts';
import { createObjectOpener, createSources } from '../../../src/sources/index.ts';
import { createS3Client } from '../../../src/sources/s3/client.ts';
import { listAll, readText } from '../../support/listing.ts';

const arn = 'arn:aws:s3:us-west-2:111122223333:accesspoint/audit';
const key = 'logs/workspaceId=1/date=2026-01-30/auditlogs_1.json';

test('an access point is asked at its own address, whatever the region, and its objects can be opened by another thread', async () => {
  const requested: string[] = [];
  const handle = async (request: { hostname: string; path: string; query: Record<string, string> }) => {
    requested.push(request.hostname);
    const isListing = request.query['list-type'] === '2';
    const body = isListing ? listing(request.query.delimiter === '/') : 'one\n';
    return { response: { statusCode: 200, headers: {}, body: Readable.from([Buffer.from(body)]) } };
  };
  const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
  vi.stubEnv('AWS_REGION', 'us-east-1');
  const createS3 = () => createS3Client(s3Timeouts, { credentials, requestHandler: { handle } });
  const { sources } = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: `${arn}/logs` });
  const dependencies = { stillAfterPolls: 0, createS3 };
  const [source] = createSources(sources, dependencies);
  if (source === undefined) throw new Error('no source');
  const { objects } = await listAll(source);
  expect(objects.map(({ origin }) => origin)).toMatchObject([
    { id: `s3://${arn}/${key}`, location: { 'aws.s3.bucket': arn, 'aws.s3.key': key }, workspaceId: '1' },
  ]);
  const [object] = objects;
  if (object === undefined) throw new Error('no object');
  expect(await readText(object)).toBe('one\n');
  const opener = createObjectOpener(sources, dependencies);
  const bytes = await Readable.from(await opener.open(object, new AbortController().signal)).toArray();
  expect(Buffer.concat(bytes).toString()).toBe('one\n');
  await opener.close();
  expect(new Set(requested)).toEqual(new Set(['audit-111122223333.s3-accesspoint.us-west-2.amazonaws.com']));
  vi.unstubAllEnvs();
});

function listing(isOfFolders: boolean): string {
  const content = isOfFolders
    ? '<CommonPrefixes><Prefix>logs/workspaceId=1/</Prefix></CommonPrefixes>'
    : `<Contents><Key>${key}</Key><LastModified>2026-01-30T00:00:00Z</LastModified><ETag>"e"</ETag><Size>4</Size></Contents>`;
  return `<ListBucketResult><Name>audit</Name><IsTruncated>false</IsTruncated>${content}</ListBucketResult>`;
}
