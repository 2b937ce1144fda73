/**
 * Decides which keys of a notification are looked at: those that a listing of the source would offer, and no others. Whoever can write to
 * the queue can therefore make the agent look at deliveries of its own sources, and at nothing else.
 */
import type { DateRange } from '../../../contracts/source.ts';
import { dateOfDelivery, isDeliveryPath, isInRange } from '../../layout.ts';
import { isAccessPoint, type S3Location } from '../location.ts';
import type { Hint } from './message.ts';

/** Limit of S3. */
const keyBytesMax = 1024;

export function keysWithin(location: S3Location, { bucket, keys }: Hint, dates: DateRange): readonly string[] {
  if (!mayBeBucketOf(location, bucket)) return [];
  return keys.filter((key) => {
    if (!key.startsWith(location.prefix) || Buffer.byteLength(key) > keyBytesMax || !key.isWellFormed()) return false;
    const segments = key.slice(location.prefix.length).split('/');
    return isDeliveryPath(segments) && isInRange(dateOfDelivery(segments), dates);
  });
}

/** Notifications name the bucket even if the source is an access point, whose bucket is unknown here. */
function mayBeBucketOf({ bucket }: S3Location, notified: string): boolean {
  return bucket === notified || isAccessPoint(bucket) || bucket.endsWith('-s3alias');
}
