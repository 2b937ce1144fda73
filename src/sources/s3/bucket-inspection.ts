/**
 * Reads bucket settings, for `check`. This needs permissions that shipping does not need, so what is denied is skipped.
 */
import type { S3Client } from '@aws-sdk/client-s3';
import { loadS3Client, s3Timeouts } from '../../runtime/aws/s3-client.ts';
import type { Clock } from '../../runtime/clock.ts';
import {
  checkLifecycle,
  checkVersioning,
  type LifecycleRule,
  type NotRead,
  type Versioning,
} from '../bucket-settings.ts';
import type { SourceInspection } from '../source-kind.ts';
import { explainSettingsError } from './errors.ts';
import type { S3Location } from './location.ts';

/** Storage classes whose objects have to be restored before they can be read. */
const archives = ['GLACIER', 'DEEP_ARCHIVE'];

/** Rejects only with the signal's reason. */
export async function inspectBucket(
  location: S3Location,
  signal: AbortSignal,
  clock: Clock,
): Promise<SourceInspection> {
  const { GetBucketLifecycleConfigurationCommand, GetBucketVersioningCommand } = await import('@aws-sdk/client-s3');
  const { bucket: Bucket, prefix } = location;
  const notRead = (error: unknown): NotRead => explainSettingsError(error, Bucket);
  const client = await loadS3Client(s3Timeouts, { maxAttempts: 1 }).catch(notRead);
  if ('reason' in client) return inspectionOf(Bucket, client, client, undefined);
  const serverDate = observeServerDate(client, clock);
  const options = { abortSignal: signal };
  try {
    const versioning: Versioning | NotRead = await client
      .send(new GetBucketVersioningCommand({ Bucket }), options)
      .then(({ Status }) => (Status === 'Enabled' ? 'enabled' : Status === 'Suspended' ? 'suspended' : 'off'))
      .catch(notRead);
    const lifecycle = await client
      .send(new GetBucketLifecycleConfigurationCommand({ Bucket }), options)
      .then(({ Rules = [] }) => rulesFor(prefix, Rules))
      .catch((error: unknown) => (nameOf(error) === 'NoSuchLifecycleConfiguration' ? [] : notRead(error)));
    signal.throwIfAborted();
    return inspectionOf(Bucket, versioning, lifecycle, serverDate.aheadMs);
  } finally {
    client.destroy();
  }
}

function inspectionOf(
  bucket: string,
  versioning: Versioning | NotRead,
  lifecycle: readonly LifecycleRule[] | NotRead,
  aheadMs: number | undefined,
): SourceInspection {
  return {
    results: [
      checkVersioning(bucket, versioning, 's3:GetBucketVersioning'),
      ...checkLifecycle(bucket, lifecycle, 's3:GetLifecycleConfiguration'),
    ],
    serverClock: aheadMs === undefined ? undefined : { server: 'S3', aheadMs },
  };
}

/** Reads the Date header of every response, including errors. */
function observeServerDate(client: S3Client, clock: Clock): { aheadMs: number | undefined } {
  const clockDifference: { aheadMs: number | undefined } = { aheadMs: undefined };
  const readDate = (response: unknown) => {
    const { headers } = (response ?? {}) as { headers?: Readonly<Record<string, string>> };
    const dateMs = Date.parse(headers?.date ?? '');
    if (!Number.isNaN(dateMs)) clockDifference.aheadMs = dateMs + 500 - clock.nowMs();
  };
  client.middlewareStack.add(
    (next) => async (args) => {
      try {
        const result = await next(args);
        readDate(result.response);
        return result;
      } catch (error) {
        readDate((error as { $response?: unknown }).$response);
        throw error;
      }
    },
    { step: 'deserialize', priority: 'high' },
  );
  return clockDifference;
}

interface Rule {
  readonly Status?: string | undefined;
  readonly Prefix?: string | undefined;
  readonly Filter?:
    | { readonly Prefix?: string | undefined; readonly And?: { readonly Prefix?: string | undefined } | undefined }
    | undefined;
  readonly Expiration?: { readonly Days?: number | undefined } | undefined;
  readonly Transitions?:
    | readonly { readonly Days?: number | undefined; readonly StorageClass?: string | undefined }[]
    | undefined;
}

function rulesFor(prefix: string, rules: readonly Rule[]): LifecycleRule[] {
  return rules.flatMap(({ Status, Prefix, Filter, Expiration, Transitions = [] }) => {
    const ruled = Filter?.And?.Prefix ?? Filter?.Prefix ?? Prefix ?? '';
    if (Status !== 'Enabled' || !(ruled.startsWith(prefix) || prefix.startsWith(ruled))) return [];
    const removed = Expiration?.Days === undefined ? [] : [{ effect: 'removed', afterDays: Expiration.Days } as const];
    const archived = Transitions.filter(({ StorageClass = '' }) => archives.includes(StorageClass)).flatMap(
      ({ Days }) => (Days === undefined ? [] : [{ effect: 'archived', afterDays: Days } as const]),
    );
    return [...removed, ...archived];
  });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}
