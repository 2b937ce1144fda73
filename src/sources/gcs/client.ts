/**
 * The requests that the agent makes to Google Cloud Storage, over its JSON API. Google's library signs in.
 * https://cloud.google.com/storage/docs/json_api/v1/objects
 */

import { gunzipSync } from 'node:zlib';
import type { AuthClient } from 'google-auth-library';
import { Agent, type Dispatcher, ProxyAgent, request as send } from 'undici';
import { z } from 'zod';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { proxyFor } from '../../runtime/proxy.ts';
import type { NotRead } from '../bucket-settings.ts';
import { Connections, connectionsMax } from '../connections.ts';
import { countedBody } from '../counted-body.ts';
import type { ListedObject, ListRequest, ObjectStore } from '../object-store.ts';
import { withRetries } from '../retries.ts';
import {
  describeBadListing,
  describeBrokenBody,
  describeGcsError,
  describeOtherVersion,
  explainSettingsError,
  type GcsCall,
  GcsFailure,
  retryOf,
} from './errors.ts';
import type { GcsLocation } from './location.ts';

const connectTimeoutMs = 10_000;
/** Until the response begins. */
const answerTimeoutMs = 30_000;
/** A connection without a byte for this long counts as dead. */
const idleTimeoutMs = 120_000;
const pageSize = 1_000;
/** A listing of 1,000 objects has about 400 kB. */
const documentBytesMax = 32 * 1024 * 1024;

const entry = z.object({
  name: z.string().min(1),
  generation: z.string().regex(/^\d+$/),
  size: z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  // When this generation was written; `updated` also changes with the metadata.
  timeCreated: z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
});
const listing = z.object({
  kind: z.literal('storage#objects'),
  items: z.array(entry).default([]),
  prefixes: z.array(z.string()).default([]),
  nextPageToken: z.string().optional(),
});
const description = z.object({ generation: z.string() });

export type GcsBucket = Pick<GcsLocation, 'bucket' | 'emulator'>;

export interface GcsApi extends ObjectStore {
  /** The settings of the bucket, and the time of the server. */
  settings(signal: AbortSignal): Promise<{ readonly json: unknown; readonly date: string | undefined } | NotRead>;
}

/** Nothing is loaded or contacted before the first call. */
export function createGcsClient({ bucket, emulator }: GcsBucket, clock: Clock = systemClock): GcsApi {
  const origin = emulator ?? 'https://storage.googleapis.com';
  const connections = new Connections();
  const authorise = emulator === undefined ? createAuthorisation(connections) : async () => ({});
  let dispatcher: Dispatcher | undefined;

  async function get(path: string, query: URLSearchParams, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const url = new URL(`${origin}/storage/v1/b/${encodeURIComponent(bucket)}${path}`);
    url.search = query.toString();
    dispatcher ??= createDispatcher(url);
    const headers = {
      ...(await authorise()),
      // Otherwise the server decompresses objects with Content-Encoding gzip, and their size is another one.
      'accept-encoding': 'gzip',
    };
    const response = await send(url, { dispatcher, headers, signal });
    if (response.statusCode === 200) return response;
    throw new GcsFailure(response.statusCode, await readText(response.body), response.headers['retry-after']);
  }

  const attempt = <Result>(call: GcsCall, signal: AbortSignal, action: () => Promise<Result>) =>
    withRetries(action, (error) => retryOf(error, clock.nowMs()), clock, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      throw describeGcsError(error, call);
    });

  /** What became of an object whose generation is gone. */
  async function currentGeneration(key: string, signal: AbortSignal): Promise<string | undefined> {
    const response = await get(`/o/${encodeURIComponent(key)}`, new URLSearchParams({ fields: 'generation' }), signal);
    return description.safeParse(JSON.parse(await readText(response.body))).data?.generation;
  }

  async function open(key: string, generation: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    try {
      return await get(`/o/${encodeURIComponent(key)}`, new URLSearchParams({ alt: 'media', generation }), signal);
    } catch (error) {
      const isGone = error instanceof GcsFailure && error.status === 404;
      const current = isGone ? await currentGeneration(key, signal) : undefined;
      if (current !== undefined && current !== generation)
        throw describeOtherVersion({ action: 'read', bucket, path: key });
      throw error;
    }
  }

  return {
    async *list(request, signal) {
      const call: GcsCall = { action: 'list', bucket, path: request.prefix };
      let pageToken: string | undefined;
      do {
        const query = listQuery(request, pageToken);
        const text = await attempt(call, signal, async () => readText((await get('/o', query, signal)).body));
        const page = listing.safeParse(parseJson(text));
        if (!page.success) throw describeBadListing(call, z.prettifyError(page.error));
        yield {
          objects: page.data.items.map(({ name, generation, size, timeCreated }) => ({
            key: name,
            etag: generation,
            sizeBytes: size,
            modifiedAtMs: timeCreated,
          })),
          folders: page.data.prefixes,
        };
        pageToken = page.data.nextPageToken;
      } while (pageToken !== undefined && pageToken !== '');
    },
    async read(listed, signal) {
      signal.throwIfAborted();
      const call: GcsCall = { action: 'read', bucket, path: listed.key };
      const response = await attempt(call, signal, () => open(listed.key, listed.etag, signal));
      return readBody(response.body, listed, call, signal);
    },
    async settings(signal) {
      try {
        const response = await get('', new URLSearchParams(), signal);
        const json: unknown = parseJson(await readText(response.body));
        return { json, date: textOf(response.headers.date) };
      } catch (error) {
        signal.throwIfAborted();
        return explainSettingsError(error, bucket);
      }
    },
    async close() {
      connections.destroy();
      await dispatcher?.destroy();
    },
  };
}

function listQuery({ prefix, delimiter, startAfter }: ListRequest, pageToken: string | undefined): URLSearchParams {
  const query = new URLSearchParams({ prefix, maxResults: String(pageSize), projection: 'noAcl' });
  query.set('fields', 'kind,nextPageToken,prefixes,items(name,generation,size,timeCreated)');
  if (delimiter !== undefined) query.set('delimiter', delimiter);
  if (startAfter !== undefined) query.set('startOffset', startAfter);
  if (pageToken !== undefined) query.set('pageToken', pageToken);
  return query;
}

/** Loads Google's library on the first call, and asks it for a token when the last one is about to expire. */
function createAuthorisation(connections: Connections): () => Promise<Readonly<Record<string, string>>> {
  let client: Promise<AuthClient> | undefined;
  return async () => {
    client ??= import('./sign-in.ts')
      .then(({ signIn }) => signIn(connections))
      .catch((error: unknown) => {
        client = undefined; // The next call tries again: the file may be readable by then.
        throw error;
      });
    return Object.fromEntries(await (await client).getRequestHeaders());
  };
}

function createDispatcher(url: URL): Dispatcher {
  const settings = {
    connect: { timeout: connectTimeoutMs },
    connections: connectionsMax,
    headersTimeout: answerTimeoutMs,
    bodyTimeout: idleTimeoutMs,
    allowH2: false,
  };
  const proxy = proxyFor(url);
  return proxy === undefined ? new Agent(settings) : new ProxyAgent({ ...settings, uri: proxy });
}

async function* readBody(
  body: AsyncIterable<Uint8Array>,
  { sizeBytes }: ListedObject,
  call: GcsCall,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const broken = (error: unknown, afterBytes: number) => describeBrokenBody(error, call, afterBytes, sizeBytes);
  const receivedBytes = yield* countedBody(body, broken, signal);
  if (receivedBytes !== sizeBytes) throw broken(undefined, receivedBytes);
}

/** The text of a document or an error, decompressed. */
async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.length;
    if (sizeBytes > documentBytesMax) throw new Error(`the response has more than ${documentBytesMax} bytes`);
  }
  const bytes = Buffer.concat(chunks);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return (isGzip ? gunzipSync(bytes, { maxOutputLength: documentBytesMax }) : bytes).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function textOf(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}
