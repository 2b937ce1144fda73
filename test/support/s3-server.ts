/**
 * An S3 server for tests: fauxqs behind a real HTTP server on 127.0.0.1 that counts requests and injects faults.
 *
 *     const server = await startS3Server();
 *     await server.createBucket('audit');
 *     await server.put('audit', 'workspaceId=1/date=2026-09-01/auditlogs_1.json', '{"a":1}\n');
 *     server.fail({ operation: 'GetObject', times: 1 }, { status: 503, code: 'SlowDown' });
 *     server.count('ListObjectsV2');
 *     spawn('node', ['src/cli.ts', 'ship', 's3://audit'], { env: { ...process.env, ...server.environment } });
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { buildApp } from 'fauxqs';
import { Semaphore } from '../../src/runtime/semaphore.ts';

export type S3Operation = 'ListObjectsV2' | 'GetObject' | 'HeadObject' | 'PutObject' | 'DeleteObject' | 'Other';

/** A request as it arrived. The helpers below (`put`, `delete`) are not recorded. */
export interface S3RequestSeen {
  readonly operation: S3Operation;
  readonly bucket: string;
  /** Empty for listings. */
  readonly key: string;
  /** Empty except for listings. */
  readonly prefix: string;
  readonly query: URLSearchParams;
  /** Status of the response. */
  readonly status: number;
}

/** Selects the requests that a fault affects: all given fields must match. */
export interface S3RequestMatch {
  readonly operation?: S3Operation;
  /** The key (or the prefix of a listing) starts with this text or matches this expression. */
  readonly path?: string | RegExp;
  /** How many matching requests are affected; all of them until `healAll` if omitted. */
  readonly times?: number;
}

export interface S3Failure {
  readonly status: number;
  /** `AccessDenied`, `SlowDown` and so on; the SDK exposes it as the name of the error. */
  readonly code: string;
  readonly message?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** After this many bytes of the body, closes the connection or silently stops sending. */
export interface S3BodyFault {
  readonly afterBytes: number;
  readonly ending: 'cut' | 'hang';
}

export interface S3Server {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  /** Environment variables that point the AWS SDK, and so the agent, to this server. */
  readonly environment: Readonly<Record<string, string>>;
  readonly requests: readonly S3RequestSeen[];
  count(operation: S3Operation, path?: string | RegExp): number;
  clearRequests(): void;

  createBucket(name: string): Promise<void>;
  /** Creates or overwrites an object and resolves with its ETag. At most 11 MiB, the limit of fauxqs. */
  put(bucket: string, key: string, body: string | Uint8Array): Promise<string>;
  delete(bucket: string, key: string): Promise<void>;

  fail(match: S3RequestMatch, failure: S3Failure): void;
  breakBody(match: S3RequestMatch, fault: S3BodyFault): void;
  /** Runs before a matching request is answered, for example to overwrite the object while it is being read. */
  before(match: S3RequestMatch, action: (request: Omit<S3RequestSeen, 'status'>) => Promise<unknown>): void;
  healAll(): void;

  stop(): Promise<void>;
}

interface Fault {
  readonly match: S3RequestMatch;
  readonly failure?: S3Failure;
  readonly bodyFault?: S3BodyFault;
  readonly action?: (request: Omit<S3RequestSeen, 'status'>) => Promise<unknown>;
  timesLeft: number;
}

export async function startS3Server(): Promise<S3Server> {
  const upstream = buildApp({ logger: false });
  await upstream.ready();
  const requests: S3RequestSeen[] = [];
  let faults: Fault[] = [];
  const conditionalWrites = new Semaphore(1);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = describeRequest(request);
    const body = await buffer(request);
    const hits = takeFaults(seen);
    for (const { action } of hits) await action?.(seen);

    const failure = hits.find((fault) => fault.failure !== undefined)?.failure;
    if (failure !== undefined) {
      requests.push({ ...seen, status: failure.status });
      response.writeHead(failure.status, { 'content-type': 'application/xml', ...failure.headers });
      response.end(errorXml(failure));
      return;
    }

    const release = isConditional(request) ? await conditionalWrites.acquire(new AbortController().signal) : undefined;
    try {
      await forward(request, response, seen, body, hits);
    } finally {
      release?.();
    }
  }

  async function forward(
    request: IncomingMessage,
    response: ServerResponse,
    seen: Omit<S3RequestSeen, 'status'>,
    body: Buffer,
    hits: readonly Fault[],
  ): Promise<void> {
    const refused = await refusedCondition(request);
    if (refused !== undefined) {
      requests.push({ ...seen, status: refused.status });
      response.writeHead(refused.status, { 'content-type': 'application/xml' });
      response.end(errorXml(refused));
      return;
    }
    const { statusCode, headers, rawPayload } = await upstream.inject({
      method: toInjectMethod(request.method),
      url: request.url ?? '/',
      headers: request.headers,
      payload: body,
    });
    requests.push({ ...seen, status: statusCode });
    response.writeHead(statusCode, { ...headers, 'content-length': rawPayload.length });
    const bodyFault = hits.find((fault) => fault.bodyFault !== undefined)?.bodyFault;
    if (bodyFault === undefined) {
      response.end(request.method === 'HEAD' ? undefined : rawPayload);
      return;
    }
    response.write(rawPayload.subarray(0, bodyFault.afterBytes), () => {
      if (bodyFault.ending === 'cut') response.destroy();
    });
  }

  /** fauxqs ignores conditions of writes and deletions. */
  async function refusedCondition({ method, url = '/', headers }: IncomingMessage): Promise<S3Failure | undefined> {
    if (!isConditional({ method, headers })) return undefined;
    const ifMatch = headers['if-match'];
    const { statusCode, headers: found } = await upstream.inject({ method: 'HEAD', url: url.split('?')[0] ?? url });
    const etag = statusCode === 200 ? String(found.etag) : undefined;
    if (ifMatch !== undefined && etag === undefined) return { status: 404, code: 'NoSuchKey' };
    const holds = ifMatch === undefined ? etag === undefined : ifMatch === etag;
    return holds ? undefined : { status: 412, code: 'PreconditionFailed' };
  }

  function takeFaults(seen: Omit<S3RequestSeen, 'status'>): readonly Fault[] {
    const hits = faults.filter((fault) => fault.timesLeft > 0 && matches(fault.match, seen));
    for (const fault of hits) fault.timesLeft--;
    return hits;
  }

  function addFault(match: S3RequestMatch, effect: Omit<Fault, 'match' | 'timesLeft'>): void {
    faults.push({ match, ...effect, timesLeft: match.times ?? Number.POSITIVE_INFINITY });
  }

  async function send(method: 'PUT' | 'DELETE', url: string, payload?: Buffer): Promise<string> {
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await upstream.inject({ method, url, headers, ...(payload === undefined ? {} : { payload }) });
    if (response.statusCode >= 300) throw new Error(`${method} ${url}: ${response.statusCode} ${response.payload}`);
    return String(response.headers.etag ?? '');
  }

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  return {
    endpoint,
    environment: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    requests,
    count: (operation, path) => requests.filter((seen) => matches({ operation, ...(path && { path }) }, seen)).length,
    clearRequests: () => void requests.splice(0),
    createBucket: async (name) => void (await send('PUT', `/${name}`)),
    put: (bucket, key, body) => send('PUT', objectPath(bucket, key), Buffer.from(body)),
    delete: async (bucket, key) => void (await send('DELETE', objectPath(bucket, key))),
    fail: (match, failure) => addFault(match, { failure }),
    breakBody: (match, bodyFault) => addFault(match, { bodyFault }),
    before: (match, action) => addFault(match, { action }),
    healAll: () => {
      faults = [];
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await upstream.close();
    },
  };
}

function isConditional({ method, headers }: Pick<IncomingMessage, 'method' | 'headers'>): boolean {
  if (method === 'DELETE') return headers['if-match'] !== undefined;
  return method === 'PUT' && (headers['if-none-match'] !== undefined || headers['if-match'] !== undefined);
}

function describeRequest(request: IncomingMessage): Omit<S3RequestSeen, 'status'> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, bucket = '', ...segments] = url.pathname.split('/').map(decodeURIComponent);
  const key = segments.join('/');
  const query = url.searchParams;
  return { operation: operationOf(request.method, key, query), bucket, key, prefix: query.get('prefix') ?? '', query };
}

function operationOf(method: string | undefined, key: string, query: URLSearchParams): S3Operation {
  if (key === '') return query.get('list-type') === '2' ? 'ListObjectsV2' : 'Other';
  if (method === 'GET') return 'GetObject';
  if (method === 'HEAD') return 'HeadObject';
  if (method === 'PUT') return 'PutObject';
  return method === 'DELETE' ? 'DeleteObject' : 'Other';
}

function matches({ operation, path }: S3RequestMatch, seen: Omit<S3RequestSeen, 'status'>): boolean {
  if (operation !== undefined && operation !== seen.operation) return false;
  if (path === undefined) return true;
  const seenPath = seen.operation === 'ListObjectsV2' ? seen.prefix : seen.key;
  return typeof path === 'string' ? seenPath.startsWith(path) : path.test(seenPath);
}

function toInjectMethod(method: string | undefined): 'GET' | 'HEAD' | 'PUT' | 'DELETE' | 'POST' {
  return method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'POST' ? method : 'GET';
}

function objectPath(bucket: string, key: string): string {
  return `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
}

function errorXml({ code, message = 'injected' }: S3Failure): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message><RequestId>TEST</RequestId></Error>`;
}
