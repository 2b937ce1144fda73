/**
 * Finds and opens delivered objects.
 */
import assert from 'node:assert';
import type { NotificationQueue } from '../contracts/notifications.ts';
import type { Observer } from '../contracts/observer.ts';
import type { Source, SourceIdentity } from '../contracts/source.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { isOfKind, type KindName, kindNames, kinds, type LocationOf, type SourceLocation } from './kinds.ts';
import type { S3Api } from './s3/client.ts';
import { createSqsQueue, type QueueLocation, type SqsApi } from './s3/index.ts';
import type { ObjectOpener, SourceDependencies, SourceInspection } from './source-kind.ts';

export type { AzureLocation, BlobCredential } from './azure/index.ts';
export type { DeliveryFile, DeliveryFiles, FileStats } from './directory/delivery-files.ts';
export { type DirectoryLocation, directoryAt } from './directory/index.ts';
export type { GcsLocation } from './gcs/index.ts';
export type { SourceLocation } from './kinds.ts';
export { readLayout } from './layout.ts';
export type { S3Api } from './s3/client.ts';
export { inspectQueue, type QueueFinding, type QueueLocation, type S3Location, type SqsApi } from './s3/index.ts';
export type { ObjectOpener, SourceDependencies, SourceInspection } from './source-kind.ts';
export type { TableLocation } from './table/index.ts';

/** A location with its effective settings. */
export type ConfiguredSource = SourceLocation & {
  readonly pollIntervalMs: number;
  /** Whether links out of a directory are followed. Default false. */
  readonly followLinks?: boolean | undefined;
};

/** Does not contact anything before the first listing. */
export function createSources(
  locations: readonly ConfiguredSource[],
  dependencies: SourceDependencies,
): readonly Source[] {
  return locations.map((location) => createSource(location, dependencies));
}

export interface QueueDependencies {
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Replace the real network. */
  readonly createS3?: (() => S3Api) | undefined;
  readonly createSqs?: ((queue: QueueLocation) => SqsApi) | undefined;
}

/** Each queue may have notifications of each bucket. Does not contact anything before the first message is received. */
export function createNotificationQueues(
  queues: readonly QueueLocation[],
  locations: readonly SourceLocation[],
  dependencies: QueueDependencies,
): readonly NotificationQueue[] {
  const s3Locations = locations.filter((location) => location.kind === 's3');
  return queues.map((queue) => createSqsQueue(queue, s3Locations, dependencies));
}

function createSource<Name extends KindName>(
  location: LocationOf<Name> & { readonly kind: Name; readonly pollIntervalMs: number },
  dependencies: SourceDependencies,
): Source {
  return kinds[location.kind].createSource(location, dependencies);
}

/** @param location a resolved one. */
export function identityOf<Name extends KindName>(
  location: LocationOf<Name> & { readonly kind: Name },
): SourceIdentity {
  return { name: location.name, idsBeginWith: kinds[location.kind].idsBeginWith?.(location) };
}

/** Looks at the settings of the service that holds the source, for `check`. Rejects only with the signal's reason. */
export async function inspectSource<Name extends KindName>(
  location: LocationOf<Name> & { readonly kind: Name },
  signal: AbortSignal,
  clock: Clock,
): Promise<SourceInspection> {
  return (await kinds[location.kind].inspect?.(location, signal, clock)) ?? { results: [], serverClock: undefined };
}

/**
 * Opens objects of every kind; the scheme of the id selects the opener.
 * @param locations the configured sources.
 */
export function createObjectOpener(
  locations: readonly SourceLocation[],
  dependencies: SourceDependencies,
): ObjectOpener {
  const openers = new Map(
    kindNames.map((name): [string, ObjectOpener] => [
      `${kinds[name].scheme}:`,
      createOpener(name, locations, dependencies),
    ]),
  );
  return {
    open(object, signal) {
      // Not by the URL class, which takes the colons of an access point's ARN for a port.
      const opener = openers.get(object.origin.id.slice(0, object.origin.id.indexOf(':') + 1));
      assert(opener !== undefined, `no kind of source can open ${object.origin.id}`);
      return opener.open(object, signal);
    },
    async close() {
      await Promise.all([...openers.values()].map((opener) => opener.close()));
    },
  };
}

function createOpener<Name extends KindName>(
  name: Name,
  locations: readonly SourceLocation[],
  dependencies: SourceDependencies,
): ObjectOpener {
  return kinds[name].createOpener(
    dependencies,
    locations.filter((location) => isOfKind(location, name)),
  );
}
