/**
 * The S3 calls with which the agent reads. The AWS SDK handles region, credentials, profiles, endpoint and retries, using its
 * standard variables and files.
 */
import type { Readable } from 'node:stream';
import type {
  GetObjectCommandOutput,
  HeadObjectCommandOutput,
  ListObjectsV2CommandOutput,
  S3Client,
  S3ClientConfig,
} from '@aws-sdk/client-s3';
import { isAgentError } from '../../model/agent-error.ts';
import { loadS3Client, type S3Timeouts, s3Timeouts } from '../../runtime/aws/s3-client.ts';
import { countedBody } from '../counted-body.ts';
import type { ListedObject, ListedPage, ListRequest } from '../object-store.ts';
import { isSameTag, isWeak, RefusedVersions, readEntityTag } from './entity-tag.ts';
import {
  describeBadHead,
  describeBadListing,
  describeBrokenBody,
  describeDisagreement,
  describeEncodedBody,
  describeOtherSize,
  describeOtherVersion,
  describeS3Error,
  type S3Call,
} from './errors.ts';

export interface S3ListRequest extends ListRequest {
  readonly bucket: string;
}

export type S3Page = ListedPage;

/** `etag` is without quotes; a weak tag begins with `W/`. */
export type S3ListedObject = ListedObject;

export interface S3HeadRequest {
  readonly bucket: string;
  readonly key: string;
}

export interface S3ReadRequest extends S3ListedObject {
  readonly bucket: string;
}

/** Every call rejects with an AgentError, or with the signal's reason if it aborts. */
export interface S3Api {
  /** All pages of a listing, with up to 1,000 entries each; one request per page. */
  list(request: S3ListRequest, signal: AbortSignal): AsyncIterable<S3Page>;
  /** The current version of one object, as a listing would show it; undefined if it does not exist. */
  head(request: S3HeadRequest, signal: AbortSignal): Promise<S3ListedObject | undefined>;
  /** The bytes of exactly this version. May reject in the middle, but never ends early without an error. */
  read(request: S3ReadRequest, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

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
    head: (request, signal) => head(load, request, signal),
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
  headObject(request: S3HeadRequest, signal: AbortSignal): Promise<HeadObjectCommandOutput>;
  getObject(request: S3ReadRequest, ifMatch: string | undefined, signal: AbortSignal): Promise<GetObjectCommandOutput>;
}

async function loadSdk(timeouts: S3Timeouts, overrides: S3ClientConfig): Promise<Sdk> {
  const client = await loadS3Client(timeouts, overrides);
  const { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command } = await import('@aws-sdk/client-s3');
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
    headObject: ({ bucket, key }, signal) =>
      client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
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
        modifiedAtMs: wholeSeconds(LastModified),
      };
      const { key, etag, sizeBytes, modifiedAtMs } = listed;
      const isWhole = key !== '' && etag !== '' && Number.isSafeInteger(sizeBytes) && Number.isFinite(modifiedAtMs);
      if (!isWhole || sizeBytes < 0) throw describeBadListing(call, 'an entry has no key, ETag, size or time');
      return listed;
    }),
    folders: (page.CommonPrefixes ?? []).flatMap(({ Prefix }) => (Prefix ? [Prefix] : [])),
  };
}

/** Some servers list milliseconds, but no server has them in a header. The observed time must not depend on how an object was found. */
function wholeSeconds(modifiedAt: Date | undefined): number {
  return modifiedAt === undefined ? Number.NaN : Math.floor(modifiedAt.getTime() / 1000) * 1000;
}

async function head(
  load: () => Promise<Sdk>,
  { bucket, key }: S3HeadRequest,
  signal: AbortSignal,
): Promise<S3ListedObject | undefined> {
  const call: S3Call = { action: 's3:GetObject', bucket, path: key };
  try {
    const answer = await attempt(call, signal, async () => (await load()).headObject({ bucket, key }, signal));
    const { ETag = '', ContentLength = -1, LastModified } = answer;
    const found = {
      key,
      etag: readEntityTag(ETag),
      sizeBytes: ContentLength,
      modifiedAtMs: wholeSeconds(LastModified),
    };
    const isWhole = found.etag !== '' && Number.isSafeInteger(ContentLength) && Number.isFinite(found.modifiedAtMs);
    if (!isWhole || ContentLength < 0) throw describeBadHead(call);
    return found;
  } catch (error) {
    if (isAgentError(error, 'ERR_OBJECT_GONE')) return undefined;
    throw error;
  }
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
  const broken = (error: unknown, afterBytes: number) => describeBrokenBody(error, call, afterBytes, sizeBytes);
  const receivedBytes = yield* countedBody(body, broken, signal);
  if (receivedBytes === sizeBytes || isRecoded(answer, etag, receivedBytes > sizeBytes)) return;
  if (receivedBytes === answer.ContentLength) throw describeOtherSize(call, receivedBytes, sizeBytes);
  throw broken(undefined, receivedBytes);
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
