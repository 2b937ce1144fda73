/**
 * The three calls that the agent makes to Azure Blob Storage. The SDK signs requests, asks for tokens, and parses listings.
 */
import assert from 'node:assert';
import type { Readable } from 'node:stream';
import type { BlobItem, BlobServiceClient, ContainerClient } from '@azure/storage-blob';
import { isAgentError } from '../../model/agent-error.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { Connections } from '../connections.ts';
import { countedBody } from '../counted-body.ts';
import type { ListedObject, ListedPage, ListRequest } from '../object-store.ts';
import { withRetries } from '../retries.ts';
import {
  type BlobCall,
  describeAzureError,
  describeBadListing,
  describeBrokenBody,
  describeGoneBlob,
  describeOtherVersion,
  retryOf,
} from './errors.ts';
import type { ResolvedAzureLocation } from './location.ts';
import { storagePolicy, tokenOptions } from './pipeline.ts';

export interface ListedBlob extends ListedObject {
  /** An append blob grows in place. Others appear as a whole. */
  readonly isAppended: boolean;
}

/** One storage account. Every call rejects with an AgentError, or with the signal's reason if it aborts. */
export interface BlobApi {
  /** The names of containers, page by page. */
  containers(prefix: string, signal: AbortSignal): AsyncIterable<readonly string[]>;
  /** All pages of a listing; one request per page. */
  list(container: string, request: ListRequest, signal: AbortSignal): AsyncIterable<ListedPage<ListedBlob>>;
  /** The bytes of exactly this version. May reject in the middle, but never ends early without an error. */
  read(container: string, listed: ListedObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export type AccountLocation = Pick<ResolvedAzureLocation, 'endpoint' | 'account' | 'credential'>;

/** The service returns up to 5,000; listings of many containers are in memory together. */
const pageSize = 1_000;
/** A connection without a byte for this long counts as dead. */
const idleTimeoutMs = 120_000;

/** Nothing is loaded or contacted before the first call. */
export function createBlobClient(location: AccountLocation, clock: Clock = systemClock): BlobApi {
  const connections = new Connections();
  let loading: Promise<BlobServiceClient> | undefined;
  const load = () => {
    loading ??= loadService(location, connections).catch((error: unknown) => {
      loading = undefined; // The next call tries again: a certificate file may be readable by then.
      throw error;
    });
    return loading;
  };
  const { account } = location;
  const attempt = <Result>(
    call: BlobCall,
    signal: AbortSignal,
    action: (service: BlobServiceClient) => Promise<Result>,
  ) =>
    withRetries(
      async () => action(await load()),
      (error) => retryOf(error, clock.nowMs()),
      clock,
      signal,
    ).catch((error: unknown) => {
      signal.throwIfAborted();
      throw describeAzureError(error, call, location.credential);
    });
  return {
    async *containers(prefix, signal) {
      const call: BlobCall = { action: 'list containers', account, container: undefined, path: prefix };
      for await (const page of pagesOf((token) =>
        attempt(call, signal, async (service) => {
          const pages = service.listContainers({ prefix, abortSignal: signal });
          return firstOf(pages.byPage({ maxPageSize: pageSize, ...token }));
        }),
      )) {
        yield page.containerItems.map(({ name }) => name);
      }
    },
    async *list(container, request, signal) {
      const call: BlobCall = { action: 'list', account, container, path: request.prefix };
      const requestPage = (token: PageToken) =>
        attempt(call, signal, (service) => listPage(service.getContainerClient(container), request, token, signal));
      for await (const { blobs, folders } of pagesOf(requestPage)) {
        yield { objects: blobs.flatMap((blob) => readItem(blob, call)), folders };
      }
    },
    async read(container, listed, signal) {
      signal.throwIfAborted();
      const call: BlobCall = { action: 'read', account, container, path: listed.key };
      const blobOf = (service: BlobServiceClient) => service.getContainerClient(container).getBlobClient(listed.key);
      const answer = await attempt(call, signal, (service) =>
        blobOf(service).download(0, undefined, {
          conditions: { ifMatch: `"${listed.etag}"` },
          // A body that breaks ends the visit, which keeps what is settled; the SDK would continue it in some cases only.
          maxRetryRequests: 0,
          abortSignal: signal,
        }),
      ).catch(async (error: unknown) => {
        if (!isAgentError(error, 'ERR_OBJECT_CHANGED')) throw error;
        // A blob that no longer exists does not match the condition either.
        const exists = await attempt(call, signal, (service) => blobOf(service).exists({ abortSignal: signal }));
        throw exists ? error : describeGoneBlob(call);
      });
      const body = answer.readableStreamBody as Readable | undefined;
      if (body === undefined) throw describeBrokenBody(undefined, call, 0, listed.sizeBytes);
      if (answer.etag !== undefined && withoutQuotes(answer.etag) !== listed.etag) {
        body.destroy();
        throw describeOtherVersion(call);
      }
      return readBody(body, listed.sizeBytes, call, signal);
    },
    async close() {
      await loading?.catch(() => undefined);
      connections.destroy();
    },
  };
}

/** The SDK is loaded on the first call: it is large, and other sources do not need it. */
async function loadService(
  { endpoint, account, credential }: AccountLocation,
  connections: Connections,
): Promise<BlobServiceClient> {
  const { AnonymousCredential, BlobServiceClient, newPipeline, StorageSharedKeyCredential } = await import(
    '@azure/storage-blob'
  );
  const signer =
    credential.type === 'sharedKey'
      ? new StorageSharedKeyCredential(account, credential.key)
      : credential.type === 'sas'
        ? new AnonymousCredential()
        : await loadIdentity(connections);
  // `withRetries` repeats requests, because the SDK ignores Retry-After.
  const pipeline = newPipeline(signer, { retryOptions: { maxTries: 1 } });
  pipeline.factories.unshift(storagePolicy(connections));
  return new BlobServiceClient(credential.type === 'sas' ? `${endpoint}?${credential.token}` : endpoint, pipeline);
}

async function loadIdentity(connections: Connections) {
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential(tokenOptions(connections));
}

async function listPage(
  container: ContainerClient,
  { prefix, delimiter, startAfter }: ListRequest,
  token: PageToken,
  signal: AbortSignal,
): Promise<BlobPage> {
  // The metadata tells what is a directory.
  const options = { prefix, includeMetadata: true, abortSignal: signal };
  const settings = { maxPageSize: pageSize, ...token };
  if (delimiter === undefined) {
    // A fully qualified path in the container, although the SDK calls it relative; the first one is listed too:
    // https://learn.microsoft.com/dotnet/api/azure.storage.blobs.models.getblobsbyhierarchyoptions.startfrom
    const start = startAfter === undefined ? {} : { startFrom: startAfter };
    const page = await firstOf(container.listBlobsFlat({ ...options, ...start }).byPage(settings));
    return { blobs: page.segment.blobItems, folders: [], continuationToken: page.continuationToken };
  }
  // With a delimiter, a start is limited to one level, and folders are few.
  const page = await firstOf(container.listBlobsByHierarchy(delimiter, options).byPage(settings));
  const { blobItems, blobPrefixes = [] } = page.segment;
  return { blobs: blobItems, folders: blobPrefixes.map(({ name }) => name), continuationToken: page.continuationToken };
}

interface BlobPage {
  readonly blobs: readonly BlobItem[];
  readonly folders: readonly string[];
  readonly continuationToken?: string | undefined;
}

type PageToken = { readonly continuationToken?: string };

async function firstOf<Page>(pages: AsyncIterator<Page>): Promise<Page> {
  const next = await pages.next();
  assert(next.done !== true, 'there is a page for each request');
  return next.value;
}

/** Requests pages until one has no continuation token. */
async function* pagesOf<Page extends { readonly continuationToken?: string | undefined }>(
  request: (token: PageToken) => Promise<Page>,
): AsyncGenerator<Page, void, undefined> {
  let token: string | undefined;
  do {
    const page = await request(token === undefined ? {} : { continuationToken: token });
    yield page;
    token = page.continuationToken;
  } while (token !== undefined && token !== '');
}

/** Rejects an incomplete listing: a blob without an ETag would count as unchanged forever. */
function readItem({ name, properties, metadata }: BlobItem, call: BlobCall): readonly ListedBlob[] {
  // In accounts with a hierarchical namespace, directories are listed as empty blobs.
  if (metadata?.hdi_isfolder === 'true') return [];
  const { etag, contentLength = -1, lastModified, blobType } = properties;
  const listed = {
    key: name,
    etag: withoutQuotes(etag ?? ''),
    sizeBytes: contentLength,
    modifiedAtMs: lastModified?.getTime() ?? Number.NaN,
    isAppended: blobType === 'AppendBlob',
  };
  const isWhole = name !== '' && listed.etag !== '' && Number.isSafeInteger(contentLength) && contentLength >= 0;
  if (!isWhole || !Number.isFinite(listed.modifiedAtMs)) {
    throw describeBadListing(call, 'an entry has no name, ETag, size or time');
  }
  return [listed];
}

/** Listings return tags without quotes, headers with quotes. */
function withoutQuotes(tag: string): string {
  return tag.replace(/^"(.*)"$/s, '$1');
}

async function* readBody(
  body: Readable,
  sizeBytes: number,
  call: BlobCall,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const broken = (error: unknown, afterBytes: number) => describeBrokenBody(error, call, afterBytes, sizeBytes);
  const receivedBytes = yield* countedBody(untilIdle(body), broken, signal);
  if (receivedBytes !== sizeBytes) throw broken(undefined, receivedBytes);
}

/** Destroys the body after too long without a byte, and at the end. */
async function* untilIdle(body: Readable): AsyncGenerator<Uint8Array, void, undefined> {
  let idle: NodeJS.Timeout | undefined;
  const expectByte = () => {
    idle = setTimeout(() => body.destroy(new Error(`no byte for ${idleTimeoutMs / 1000} s`)), idleTimeoutMs);
  };
  try {
    expectByte();
    for await (const chunk of body) {
      clearTimeout(idle); // While the agent waits for the collector, nobody reads.
      yield chunk;
      expectByte();
    }
  } finally {
    clearTimeout(idle);
    body.destroy();
  }
}
