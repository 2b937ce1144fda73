/**
 * The S3 calls for dead letters. Writes and deletions may depend on what is there, so that of several writers one succeeds
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html).
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { readAwsFailure } from '../../runtime/aws/failure.ts';
import { loadS3Client, s3Timeouts } from '../../runtime/aws/s3-client.ts';
import { explainBucketFailure } from './bucket-errors.ts';
import type { DeadLetterBucket } from './location.ts';

export interface BucketObject {
  readonly key: string;
  readonly etag: string;
  readonly modifiedAtMs: number;
}

export interface BucketContent {
  readonly text: string;
  readonly etag: string;
  /** By the clock of S3: how long ago the object was written. */
  readonly ageMs: number;
}

/** What has to be there for a write to succeed: nothing, or this version. */
export type WriteCondition = { readonly none: true } | { readonly etag: string };

/** Every call rejects with a BucketFailure, or with the signal's reason if it aborts. */
export class BucketClient {
  readonly #location: DeadLetterBucket;
  #sdk: Promise<Sdk> | undefined;

  constructor(location: DeadLetterBucket) {
    this.#location = location;
  }

  /** @returns the ETag of the new version; undefined if the condition does not hold. */
  async put(key: string, body: string, condition?: WriteCondition, signal?: AbortSignal): Promise<string | undefined> {
    try {
      return await this.#call('s3:PutObject', key, signal, async ({ client, PutObjectCommand }, options) => {
        const { ETag = '' } = await client.send(
          new PutObjectCommand({
            ...this.#object(key),
            Body: body,
            ContentType: 'application/x-ndjson',
            ...(condition === undefined
              ? {}
              : 'none' in condition
                ? { IfNoneMatch: '*' }
                : { IfMatch: condition.etag }),
          }),
          options,
        );
        return ETag;
      });
    } catch (error) {
      if (condition === undefined || !(error instanceof BucketFailure)) throw error;
      // There is no version that could be the expected one.
      const isGone = 'etag' in condition && error.isMissing;
      if (error.isConditionFailed || isGone) return undefined;
      throw error;
    }
  }

  /** Undefined if the object does not exist. */
  async get(key: string, signal?: AbortSignal): Promise<BucketContent | undefined> {
    return await this.#orMissing(
      this.#call('s3:GetObject', key, signal, async ({ client, GetObjectCommand }, options) => {
        const command = new GetObjectCommand(this.#object(key));
        let serverDateMs = Number.NaN;
        command.middlewareStack.add(
          (next) => async (args) => {
            const result = await next(args);
            serverDateMs = dateOf(result.response);
            return result;
          },
          { step: 'deserialize', priority: 'high' },
        );
        const { Body, ETag = '', LastModified } = await client.send(command, options);
        const text = (await Body?.transformToString()) ?? '';
        return { text, etag: ETag, ageMs: serverDateMs - (LastModified?.getTime() ?? Number.NaN) };
      }),
    );
  }

  /** The ETag of the current version; undefined if the object does not exist. */
  async head(key: string, signal?: AbortSignal): Promise<string | undefined> {
    return await this.#orMissing(
      this.#call('s3:GetObject', key, signal, async ({ client, HeadObjectCommand }, options) => {
        const { ETag = '' } = await client.send(new HeadObjectCommand(this.#object(key)), options);
        return ETag;
      }),
    );
  }

  /** A missing object counts as deleted. */
  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#delete(key, undefined, signal);
  }

  /**
   * Leaves any other version alone, and whoever has written it decides what becomes of it. Compare the version before as well: some
   * servers delete without looking at the condition (MinIO), and others refuse it, so that the object is then deleted without.
   */
  async deleteVersion(key: string, etag: string): Promise<void> {
    try {
      await this.#delete(key, etag);
    } catch (error) {
      if (!(error instanceof BucketFailure)) throw error;
      if (error.isNotImplemented) return await this.#delete(key, undefined);
      if (!error.isConditionFailed && !error.isMissing) throw error;
    }
  }

  async #delete(key: string, IfMatch: string | undefined, signal?: AbortSignal): Promise<void> {
    await this.#call('s3:DeleteObject', key, signal, ({ client, DeleteObjectCommand }, options) =>
      client.send(new DeleteObjectCommand({ ...this.#object(key), IfMatch }), options),
    );
  }

  /** All objects below the prefix. */
  async *list(signal?: AbortSignal): AsyncGenerator<BucketObject, void, undefined> {
    const { bucket: Bucket, prefix: Prefix } = this.#location;
    let ContinuationToken: string | undefined;
    do {
      const page = await this.#call('s3:ListBucket', Prefix, signal, ({ client, ListObjectsV2Command }, options) =>
        client.send(new ListObjectsV2Command({ Bucket, Prefix, ContinuationToken }), options),
      );
      for (const { Key = '', ETag = '', LastModified } of page.Contents ?? []) {
        yield { key: Key, etag: ETag, modifiedAtMs: LastModified?.getTime() ?? 0 };
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
  }

  async close(): Promise<void> {
    const sdk = await this.#sdk?.catch(() => undefined);
    sdk?.client.destroy();
  }

  async #call<Result>(
    action: BucketAction,
    path: string,
    signal: AbortSignal | undefined,
    work: (sdk: Sdk, options: { readonly abortSignal?: AbortSignal }) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    this.#sdk ??= loadSdk().catch((error: unknown) => {
      this.#sdk = undefined; // The next call tries again: the AWS configuration files may be readable by then.
      throw error;
    });
    try {
      return await work(await this.#sdk, signal === undefined ? {} : { abortSignal: signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw new BucketFailure(error, action, this.#location.bucket, path);
    }
  }

  async #orMissing<Result>(call: Promise<Result>): Promise<Result | undefined> {
    try {
      return await call;
    } catch (error) {
      if (error instanceof BucketFailure && error.isMissing) return undefined;
      throw error;
    }
  }

  #object(Key: string) {
    return { Bucket: this.#location.bucket, Key };
  }
}

export type BucketAction = 's3:PutObject' | 's3:GetObject' | 's3:DeleteObject' | 's3:ListBucket';

/** The message and the hint never contain an access key id, a token or a signature. */
export class BucketFailure extends Error {
  readonly hint: string;
  /** The object does not exist; the bucket does. */
  readonly isMissing: boolean;
  readonly isConditionFailed: boolean;
  /** The server knows the call, but not with this condition. */
  readonly isNotImplemented: boolean;

  constructor(error: unknown, action: BucketAction, bucket: string, path: string) {
    const failure = readAwsFailure(error);
    const { reason, hint } = explainBucketFailure(failure, action, bucket, path);
    super(reason);
    this.hint = hint;
    this.isMissing = failure.status === 404 && failure.name !== 'NoSuchBucket';
    // 409: another conditional write was under way; whether it succeeded shows at the next look.
    this.isConditionFailed = failure.status === 412 || failure.status === 409;
    this.isNotImplemented = failure.status === 501;
  }
}

type Sdk = Pick<
  typeof import('@aws-sdk/client-s3'),
  'PutObjectCommand' | 'GetObjectCommand' | 'HeadObjectCommand' | 'DeleteObjectCommand' | 'ListObjectsV2Command'
> & { readonly client: S3Client };

async function loadSdk(): Promise<Sdk> {
  const { PutObjectCommand, GetObjectCommand, HeadObjectCommand, DeleteObjectCommand, ListObjectsV2Command } =
    await import('@aws-sdk/client-s3');
  const client = await loadS3Client(s3Timeouts, {});
  return { client, PutObjectCommand, GetObjectCommand, HeadObjectCommand, DeleteObjectCommand, ListObjectsV2Command };
}

function dateOf(response: unknown): number {
  if (typeof response !== 'object' || response === null || !('headers' in response)) return Number.NaN;
  const { headers } = response;
  if (typeof headers !== 'object' || headers === null || !('date' in headers)) return Number.NaN;
  return Date.parse(String(headers.date));
}
