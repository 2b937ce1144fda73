/**
 * The two S3 calls that the agent makes. The AWS SDK handles region, credentials, profiles, endpoint and retries, using its
 * standard variables and files.
 */
import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import { isAgentError } from '../../model/agent-error.ts';
import { createRequestHandler } from '../../runtime/aws/request-handler.ts';
import { isSameTag, isWeak, RefusedVersions, readEntityTag } from './entity-tag.ts';
import {
  describeBadListing,
  describeBrokenBody,
  describeDisagreement,
  describeEncodedBody,
  describeOtherSize,
  describeOtherVersion,
  describeS3Error,
  type S3Call,
} from './errors.ts';

export interface S3ListRequest {
  readonly bucket: string;
  readonly prefix: string;
  /** With `/`, keys are grouped into the folders directly below the prefix. */
  readonly delimiter?: '/' | undefined;
  /** Only keys after this one. */
  readonly startAfter?: string | undefined;
}

export interface S3Page {
  readonly objects: readonly S3ListedObject[];
  /** Prefixes, each with a trailing `/`. */
  readonly folders: readonly string[];
}

export interface S3ListedObject {
  readonly key: string;
  /** Without quotes; a weak tag begins with `W/`. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

export interface S3ReadRequest {
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Every call rejects with an AgentError, or with the signal's reason if it aborts. */
export interface S3Api {
  /** All pages of a listing, with up to 1,000 entries each; one request per page. */
  list(request: S3ListRequest, signal: AbortSignal): AsyncIterable<S3Page>;
  /** The bytes of exactly this version. May reject in the middle, but never ends early without an error. */
  read(request: S3ReadRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export interface S3Timeouts {
  readonly connectionTimeoutMs: number;
  /** Until the response starts. */
  readonly answerTimeoutMs: number;
  /**
   * A connection without a byte for this long counts as dead. This also ends a body that is not being read because the collector
   * is down; the object is then opened again later, which is better than not detecting a dead connection.
   */
  readonly idleTimeoutMs: number;
}

export const s3Timeouts: S3Timeouts = { connectionTimeoutMs: 10_000, answerTimeoutMs: 30_000, idleTimeoutMs: 120_000 };

/** Opened on demand. Bodies that wait for the collector occupy a connection each, and listings must not wait for those. */
const connectionsMax = 256;

/** @param overrides of the SDK's settings; the simulation replaces the network. */
export function createS3Client(timeouts: S3Timeouts = s3Timeouts, overrides: S3ClientConfig = {}): S3Api {
  let sdk: Promise<Sdk> | undefined;
  const load = () => {
    sdk ??= loadSdk(timeouts, overrides).catch((error: unknown) => {
      sdk = undefined; // The next call tries again: the AWS configuration files may be readable by then.
      throw error;
    });
    return sdk;
  };
  const refused = new RefusedVersions();
  return {
    list: (request, signal) => list(load, request, signal),
    read: (request, signal) => read(load, request, refused, signal),
    async close() {
      const loaded = await sdk?.catch(() => undefined);
      loaded?.client.destroy();
    },
  };
}

interface Sdk {
  readonly client: S3Client;
  listPage(request: S3ListRequest, token: string | undefined, signal: AbortSignal): Promise<ListObjectsV2CommandOutput>;
  getObject(request: S3ReadRequest, ifMatch: string | undefined, signal: AbortSignal): Promise<GetObjectCommandOutput>;
}

/** The SDK is loaded on the first call: it is large, and a directory source does not need it. */
export async function loadS3Client(timeouts: S3Timeouts, overrides: S3ClientConfig): Promise<S3Client> {
  const { S3Client } = await import('@aws-sdk/client-s3');
  const client = new S3Client({
    // WHEN_SUPPORTED buffers the whole body to verify it, and runs out of memory with multi-GB objects (aws-sdk-js-v3 issue 7657).
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    useArnRegion: true,
    requestHandler: createRequestHandler({ keepAlive: true, maxSockets: connectionsMax }, (agentOptions) => {
      const requestHandler = {
        connectionTimeout: timeouts.connectionTimeoutMs,
        requestTimeout: timeouts.answerTimeoutMs,
        throwOnRequestTimeout: true,
        socketTimeout: timeouts.idleTimeoutMs,
        httpAgent: agentOptions,
        httpsAgent: agentOptions,
      };
      return new S3Client({ requestHandler }).config.requestHandler;
    }),
    ...overrides,
  });
  // Set by AWS_ENDPOINT_URL(_S3) or a profile: MinIO and the like have no host name per bucket.
  const customEndpoint = await client.config.serviceConfiguredEndpoint?.();
  client.config.forcePathStyle = customEndpoint !== undefined;
  return client;
}

async function loadSdk(timeouts: S3Timeouts, overrides: S3ClientConfig): Promise<Sdk> {
  const client = await loadS3Client(timeouts, overrides);
  const { GetObjectCommand, ListObjectsV2Command } = await import('@aws-sdk/client-s3');
  return {
    client,
    listPage: ({ bucket, prefix, delimiter, startAfter }, token, signal) =>
      client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          Delimiter: delimiter,
          StartAfter: startAfter,
          ContinuationToken: token,
        }),
        { abortSignal: signal },
      ),
    getObject: ({ bucket, key }, ifMatch, signal) =>
      client.send(new GetObjectCommand({ Bucket: bucket, Key: key, IfMatch: ifMatch }), { abortSignal: signal }),
  };
}

async function* list(
  load: () => Promise<Sdk>,
  request: S3ListRequest,
  signal: AbortSignal,
): AsyncGenerator<S3Page, void, undefined> {
  const call: S3Call = { action: 's3:ListBucket', bucket: request.bucket, path: request.prefix };
  let token: string | undefined;
  /** The token of page 1, 2, 4, 8 and so on: if tokens repeat in a cycle, one of them equals it (Brent's algorithm). */
  let knownToken: string | undefined;
  for (let pageCount = 1; ; pageCount++) {
    signal.throwIfAborted();
    const page = await attempt(call, signal, async () => (await load()).listPage(request, token, signal));
    yield readPage(page, call);
    if (!page.IsTruncated) return;
    token = page.NextContinuationToken;
    // Treating this as the end would silently skip objects.
    if (!token) throw describeBadListing(call, 'truncated without a continuation token');
    if (token === knownToken) throw describeBadListing(call, 'its continuation tokens repeat');
    if (Math.log2(pageCount) % 1 === 0) knownToken = token;
  }
}

/** Rejects an incomplete listing: an object without an ETag would count as unchanged forever. */
function readPage(page: ListObjectsV2CommandOutput, call: S3Call): S3Page {
  if (page.Name === undefined && page.IsTruncated === undefined) throw describeBadListing(call, 'not a listing');
  return {
    objects: (page.Contents ?? []).map(({ Key = '', ETag = '', Size = -1, LastModified }) => {
      const listed = {
        key: Key,
        etag: readEntityTag(ETag),
        sizeBytes: Size,
        modifiedAtMs: LastModified?.getTime() ?? Number.NaN,
      };
      const { key, etag, sizeBytes, modifiedAtMs } = listed;
      const isWhole = key !== '' && etag !== '' && Number.isSafeInteger(sizeBytes) && Number.isFinite(modifiedAtMs);
      if (!isWhole || sizeBytes < 0) throw describeBadListing(call, 'an entry has no key, ETag, size or time');
      return listed;
    }),
    folders: (page.CommonPrefixes ?? []).flatMap(({ Prefix }) => (Prefix ? [Prefix] : [])),
  };
}

async function read(
  load: () => Promise<Sdk>,
  request: S3ReadRequest,
  refused: RefusedVersions,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  signal.throwIfAborted();
  const { bucket, key, etag } = request;
  const call: S3Call = { action: 's3:GetObject', bucket, path: key };
  const object = `${bucket}/${key}`;
  const refusedCount = refused.countOf(object, etag);
  // The version was rejected and then listed again, so it still exists: its tag is unreliable.
  const ifMatch = refusedCount > 0 || isWeak(etag) ? undefined : `"${etag}"`;
  const answer = await attempt(call, signal, async () => (await load()).getObject(request, ifMatch, signal)).catch(
    (error: unknown) => {
      const isRefused = isAgentError(error, 'ERR_OBJECT_CHANGED');
      if (isRefused && refused.add(object, etag) > refusalsOfChange) throw describeDisagreement(call, etag, undefined);
      throw error;
    },
  );
  const body = answer.Body as Readable;
  try {
    checkEncoding(answer, call);
    if (!isListedVersion(answer, request, refusedCount > 0)) {
      const isLasting = refused.add(object, etag) > refusalsOfChange;
      throw isLasting ? describeDisagreement(call, etag, answer.ETag) : describeOtherVersion(call);
    }
  } catch (error) {
    body.destroy();
    throw error;
  }
  refused.forget(object);
  return readBody(body, answer, request, call, signal);
}

/** A race with a writer can explain this many times that a version is listed and then read as another. */
const refusalsOfChange = 2;

/**
 * Without reliable tags, compare size and modification time. If that is wrong, nothing is lost: the next listing shows the other tag,
 * and lines that were already read are recognised.
 */
function isListedVersion(answer: GetObjectCommandOutput, listed: S3ReadRequest, ignoringTag: boolean): boolean {
  const { ETag, ContentLength, LastModified } = answer;
  if (ETag === undefined || isSameTag(listed.etag, readEntityTag(ETag))) return true;
  if (!ignoringTag || LastModified === undefined) return false;
  // Without a length, the body is measured while it is read.
  const isSameSize = (ContentLength ?? listed.sizeBytes) === listed.sizeBytes || encodingsOf(answer).length > 0;
  // The header has whole seconds.
  return isSameSize && Math.trunc(LastModified.getTime() / 1000) === Math.trunc(listed.modifiedAtMs / 1000);
}

/** Encodings that the decoder handles. */
const decodedEncodings = ['gzip', 'x-gzip', 'zstd'];
const unreadableEncodings = ['br', 'deflate', 'compress', 'x-compress'];

/** Object metadata often has values that are not encodings, such as `utf-8`. */
function encodingsOf({ ContentEncoding = '' }: GetObjectCommandOutput): readonly string[] {
  const names = ContentEncoding.split(',').map((name) => name.trim().toLowerCase());
  return names.filter((name) => decodedEncodings.includes(name) || unreadableEncodings.includes(name));
}

function checkEncoding(answer: GetObjectCommandOutput, call: S3Call): void {
  const encoding = encodingsOf(answer).find((name) => unreadableEncodings.includes(name));
  if (encoding !== undefined) throw describeEncodedBody(call, encoding);
}

async function* readBody(
  body: AsyncIterable<Uint8Array>,
  answer: GetObjectCommandOutput,
  { etag, sizeBytes }: S3ReadRequest,
  call: S3Call,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  let receivedBytes = 0;
  try {
    for await (const chunk of body) {
      receivedBytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw describeBrokenBody(error, call, receivedBytes, sizeBytes);
  }
  if (receivedBytes === sizeBytes || isRecoded(answer, etag, receivedBytes > sizeBytes)) return;
  if (receivedBytes === answer.ContentLength) throw describeOtherSize(call, receivedBytes, sizeBytes);
  throw describeBrokenBody(undefined, call, receivedBytes, sizeBytes);
}

/**
 * A proxy compressed or decompressed the body. HTTP marks the end of such a body, so a truncated one has failed before this. A body
 * that is shorter and declares no encoding does not count as complete.
 */
function isRecoded(answer: GetObjectCommandOutput, etag: string, isLonger: boolean): boolean {
  if (encodingsOf(answer).length > 0) return true;
  return isLonger && answer.ETag !== undefined && isSameTag(etag, readEntityTag(answer.ETag));
}

async function attempt<Result>(call: S3Call, signal: AbortSignal, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    signal.throwIfAborted();
    throw describeS3Error(error, call);
  }
}
