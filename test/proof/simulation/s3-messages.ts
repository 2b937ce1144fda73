/**
 * The model S3 over HTTP, so that the real client with the AWS SDK can be simulated too: signing, XML, streams, errors. The SDK's own
 * retries are disabled, because they wait in real time.
 */
import { Readable } from 'node:stream';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { s3Timeouts } from '../../../src/runtime/aws/s3-client.ts';
import { createS3Client, type S3Api } from '../../../src/sources/s3/client.ts';
import type { ModelS3 } from './model-s3.ts';
import type { Life, World } from './world.ts';

interface Request {
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
}

interface Response {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

export function sdkApi(s3: ModelS3, world: World, life: Life): S3Api {
  /** The SDK reads files on first use, which takes real time. */
  const busyWhile = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    life.busy++;
    try {
      return await work();
    } finally {
      life.busy--;
    }
  };
  const handle = async (request: Request, { abortSignal }: { readonly abortSignal?: AbortSignal } = {}) => {
    const isListing = request.query?.['list-type'] !== undefined;
    const kind = isListing ? 'list' : 'open';
    life.busy--;
    await world.call(life, kind, world.latencyMs(kind), abortSignal).finally(() => life.busy++);
    const signal = abortSignal ?? new AbortController().signal;
    return { response: isListing ? listing(s3, request) : object(s3, request, life, signal) };
  };
  // The handler's type requires an HttpResponse from another SDK package; this is all that is read of it.
  const requestHandler = { handle, metadata: { handlerProtocol: 'http/1.1' }, destroy() {} } as unknown as NonNullable<
    S3ClientConfig['requestHandler']
  >;
  const api = createS3Client(s3Timeouts, {
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
    maxAttempts: 1,
    requestHandler,
  });
  return {
    async *list(request, signal) {
      const pages = api.list(request, signal)[Symbol.asyncIterator]();
      for (;;) {
        const page = await busyWhile(() => pages.next());
        if (page.done) return;
        yield page.value;
      }
    },
    head: (request, signal) => busyWhile(() => api.head(request, signal)),
    read: (request, signal) => busyWhile(() => api.read(request, signal)),
    close: () => api.close(),
  };
}

function listing(s3: ModelS3, { query = {} }: Request): Response {
  const fault = s3.fault();
  if (fault !== undefined) return failure(fault);
  const text = (name: string) => (query[name] === undefined ? '' : `${query[name]}`);
  const delimiter = text('delimiter') === '/' ? '/' : undefined;
  // A token is the last key of the previous page.
  const page = s3.page(text('prefix'), delimiter, text('continuation-token') || text('start-after'));
  const contents = page.objects.map(
    ({ key, etag, sizeBytes, modifiedAtMs }) =>
      `<Contents><Key>${key}</Key><LastModified>${new Date(modifiedAtMs).toISOString()}</LastModified>` +
      `<ETag>&quot;${etag}&quot;</ETag><Size>${sizeBytes}</Size></Contents>`,
  );
  const prefixes = page.folders.map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`);
  const next = page.next === undefined ? '' : `<NextContinuationToken>${page.next}</NextContinuationToken>`;
  return xml(
    200,
    `<ListBucketResult><IsTruncated>${page.next !== undefined}</IsTruncated>${next}${contents.join('')}${prefixes.join('')}</ListBucketResult>`,
  );
}

function object(s3: ModelS3, { method, path, headers }: Request, life: Life, signal: AbortSignal): Response {
  const fault = s3.fault();
  if (fault !== undefined) return method === 'HEAD' ? withoutBody(fault.status) : failure(fault);
  const etag = (headers['if-match'] ?? '').replaceAll('"', '');
  const found = s3.find(decodeURIComponent(path.slice(1)), etag);
  if ('status' in found) return method === 'HEAD' ? withoutBody(found.status) : failure(found);
  if (method === 'HEAD') {
    return withoutBody(200, {
      'content-length': `${found.body.length}`,
      etag: `"${found.etag}"`,
      'last-modified': new Date(found.modifiedAtMs).toUTCString(),
    });
  }
  return {
    statusCode: 200,
    headers: { 'content-length': `${found.body.length}`, etag: `"${found.etag}"` },
    body: Readable.from(s3.body(found, life, signal), { objectMode: false }),
  };
}

function withoutBody(statusCode: number, headers: Readonly<Record<string, string>> = {}): Response {
  return { statusCode, headers, body: Readable.from([]) };
}

function failure({ name, status }: { readonly name: string; readonly status: number }): Response {
  return xml(status, `<Error><Code>${name}</Code><Message>simulated</Message></Error>`);
}

function xml(statusCode: number, content: string): Response {
  const body = Readable.from([Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${content}`)]);
  return { statusCode, headers: { 'content-type': 'application/xml' }, body };
}
