/**
 * S3 as the agent calls it, on the model bucket: responses take time, listings may be stale, bodies may be truncated.
 */

import type {
  S3Api,
  S3HeadRequest,
  S3ListedObject,
  S3ListRequest,
  S3Page,
  S3ReadRequest,
} from '../../../src/sources/s3/client.ts';
import { describeBrokenBody, describeS3Error, type S3Call } from '../../../src/sources/s3/errors.ts';
import type { Faults } from './faults.ts';
import type { ModelBucket, Version } from './model-bucket.ts';
import type { Settings } from './plan.ts';
import type { Life, World } from './world.ts';

/** S3 closes a connection that is not being read; so does the agent's own client. */
const idleMs = 120_000;
/** How old a stale listing may be. */
const staleMs = 10 * 60_000;

/** The server's response to a call, independent of its encoding. */
export class ModelS3 {
  readonly #world: World;
  readonly #bucket: ModelBucket;
  readonly #faults: Faults;
  readonly settings: Settings;
  openCount = 0;

  constructor(world: World, bucket: ModelBucket, faults: Faults, settings: Settings) {
    this.#world = world;
    this.#bucket = bucket;
    this.#faults = faults;
    this.settings = settings;
  }

  /** An error name and status instead of a response. */
  fault(): { readonly name: string; readonly status: number } | undefined {
    if (this.#faults.bucket('throttled')) return { name: 'SlowDown', status: 503 };
    if (this.#faults.bucket('denied')) return { name: 'AccessDenied', status: 403 };
    if (this.#faults.bucket('failing') && this.#world.chance('bucket').happens(0.5)) {
      return { name: 'InternalError', status: 500 };
    }
    return undefined;
  }

  page(prefix: string, delimiter: '/' | undefined, startAfter: string): S3Page & { readonly next: string | undefined } {
    const atMs = this.#world.nowMs - (this.#faults.bucket('stale') ? this.#world.chance('stale').next() * staleMs : 0);
    const entries = this.#bucket.list(prefix, startAfter, atMs);
    if (delimiter === undefined) {
      const objects = entries.slice(0, this.settings.pageKeys);
      return { objects, folders: [], next: objects.length < entries.length ? objects.at(-1)?.key : undefined };
    }
    const folders = [...new Set(entries.map(({ key }) => folderOf(key, prefix)))].filter(
      (folder) => folder > startAfter,
    );
    const shown = folders.slice(0, this.settings.pageKeys);
    // After everything in the folder.
    const next = shown.length < folders.length ? `${shown.at(-1)}\uffff` : undefined;
    return { objects: [], folders: shown, next };
  }

  find(key: string, etag: string): Version | { readonly name: string; readonly status: number } {
    const version = this.#bucket.current(key);
    if (version === undefined || version.untilMs < Number.POSITIVE_INFINITY) return { name: 'NoSuchKey', status: 404 };
    // Without a condition it is whatever is there now.
    return etag === '' || version.etag === etag ? version : { name: 'PreconditionFailed', status: 412 };
  }

  /** The body in chunks. Throws when the connection breaks. */
  async *body(version: Version, life: Life, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const world = this.#world;
    life.openBodies++;
    this.openCount++;
    try {
      let readMs = world.nowMs;
      for (let from = 0; from < version.body.length; from += this.settings.chunkBytes) {
        if (world.nowMs - readMs > idleMs) throw Object.assign(new Error('socket idle'), { code: 'ETIMEDOUT' });
        await world.call(life, 'read', world.latencyMs('read'), signal);
        if (this.#faults.bucket('cut') && world.chance('cut').happens(0.3)) {
          throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
        }
        readMs = world.nowMs;
        yield version.body.subarray(from, from + this.settings.chunkBytes);
      }
    } finally {
      life.openBodies--;
    }
  }

  /** The two calls, without the AWS SDK. */
  api(life: Life): S3Api {
    return {
      list: (request, signal) => this.#list(request, life, signal),
      head: (request, signal) => this.#head(request, life, signal),
      read: (request, signal) => this.#read(request, life, signal),
      close: async () => {},
    };
  }

  async *#list(request: S3ListRequest, life: Life, signal: AbortSignal): AsyncGenerator<S3Page, void, undefined> {
    const { bucket, prefix, delimiter, startAfter = '' } = request;
    const call: S3Call = { action: 's3:ListBucket', bucket, path: prefix };
    for (let from: string | undefined = startAfter; from !== undefined; ) {
      await this.#world.call(life, 'list', this.#world.latencyMs('list'), signal);
      this.#throwFault(this.fault(), call);
      const page: ReturnType<ModelS3['page']> = this.page(prefix, delimiter, from);
      yield page;
      from = page.next;
    }
  }

  async #head({ bucket, key }: S3HeadRequest, life: Life, signal: AbortSignal): Promise<S3ListedObject | undefined> {
    await this.#world.call(life, 'open', this.#world.latencyMs('open'), signal);
    this.#throwFault(this.fault(), { action: 's3:GetObject', bucket, path: key });
    const found = this.find(key, '');
    if ('status' in found) return undefined;
    return { key, etag: found.etag, sizeBytes: found.body.length, modifiedAtMs: found.modifiedAtMs };
  }

  async #read(
    { bucket, key, etag, sizeBytes }: S3ReadRequest,
    life: Life,
    signal: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array>> {
    const call: S3Call = { action: 's3:GetObject', bucket, path: key };
    await this.#world.call(life, 'open', this.#world.latencyMs('open'), signal);
    this.#throwFault(this.fault(), call);
    const found = this.find(key, etag);
    if ('status' in found) return this.#throwFault(found, call);
    return describingBreaks(this.body(found, life, signal), call, sizeBytes, signal);
  }

  #throwFault(fault: { readonly name: string; readonly status: number }, call: S3Call): never;
  #throwFault(fault: { readonly name: string; readonly status: number } | undefined, call: S3Call): void;
  #throwFault(fault: { readonly name: string; readonly status: number } | undefined, call: S3Call): void {
    if (fault === undefined) return;
    throw describeS3Error({ name: fault.name, message: '', $metadata: { httpStatusCode: fault.status } }, call);
  }
}

async function* describingBreaks(
  body: AsyncIterable<Uint8Array>,
  call: S3Call,
  sizeBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw describeBrokenBody(error, call, 0, sizeBytes);
  }
}

function folderOf(key: string, prefix: string): string {
  return key.slice(0, key.indexOf('/', prefix.length) + 1);
}
