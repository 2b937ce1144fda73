/**
 * Deliveries in an S3 bucket.
 */
import type { NotificationQueue } from '../../contracts/notifications.ts';
import type { SourceKind } from '../source-kind.ts';
import { inspectBucket } from './bucket-inspection.ts';
import { createS3Client, type S3Api } from './client.ts';
import { containsS3Location, parseS3Location, type S3Location } from './location.ts';
import type { QueueLocation } from './notifications/location.ts';
import { SqsNotifications, type SqsNotificationsParts } from './notifications/queue.ts';
import { createSqsClient, type SqsApi } from './notifications/sqs-client.ts';
import { createS3Opener } from './opener.ts';
import { createS3Source } from './source.ts';

export { parseS3Arn, type S3Location } from './location.ts';
export { inspectQueue, type QueueFinding } from './notifications/inspection.ts';
export { parseQueues, type QueueLocation } from './notifications/location.ts';
export type { SqsApi } from './notifications/sqs-client.ts';

export const s3: SourceKind<S3Location> = {
  form: 's3://bucket/prefix',
  scheme: 's3',
  parse: parseS3Location,
  contains: containsS3Location,
  idsBeginWith: ({ bucket, prefix }) => `s3://${bucket}/${prefix}`,
  createSource: (location, { createS3 = createS3Client }) => createS3Source(location, createS3()),
  createOpener: ({ createS3 = createS3Client }) => createS3Opener(createS3()),
  inspect: inspectBucket,
};

/** Replace the real network. */
interface QueueClients {
  readonly createS3?: (() => S3Api) | undefined;
  readonly createSqs?: ((queue: QueueLocation) => SqsApi) | undefined;
}

export function createSqsQueue(
  queue: QueueLocation,
  locations: readonly S3Location[],
  {
    createS3 = createS3Client,
    createSqs = createSqsClient,
    observe,
    clock,
    logger,
  }: Pick<SqsNotificationsParts, 'observe' | 'clock' | 'logger'> & QueueClients,
): NotificationQueue {
  return new SqsNotifications(queue, { sqs: createSqs(queue), s3: createS3(), locations, observe, clock, logger });
}
