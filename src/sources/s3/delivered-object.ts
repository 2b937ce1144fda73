/**
 * An object of a bucket as the agent knows it, whether a listing or a notification found it.
 */
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { readLayout } from '../layout.ts';
import { fileNameOf } from '../object-store.ts';
import type { S3Api, S3ListedObject } from './client.ts';
import type { S3Location } from './location.ts';

/** Names from OpenTelemetry's semantic conventions (registry, AWS attributes). */
export const bucketAttribute = 'aws.s3.bucket';
export const keyAttribute = 'aws.s3.key';

export function deliveredObject(
  { bucket, mapping }: S3Location,
  { key, etag, sizeBytes, modifiedAtMs }: S3ListedObject,
  s3: Pick<S3Api, 'read'>,
): DeliveredObject {
  return {
    origin: {
      id: `s3://${bucket}/${key}` as ObjectId,
      fileName: fileNameOf(key),
      location: { [bucketAttribute]: bucket, [keyAttribute]: key },
      ...readLayout(key),
      mapping,
    },
    version: { etag, sizeBytes, modifiedAtMs },
    growing: false,
    open: (signal) => s3.read({ bucket, key, etag, sizeBytes, modifiedAtMs }, signal),
  };
}
