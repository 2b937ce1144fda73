/**
 * Deliveries in an S3 bucket, listed like any object store.
 */
import type { Source } from '../../contracts/source.ts';
import type { ObjectStore } from '../object-store.ts';
import { ObjectStoreSource } from '../object-store-source.ts';
import type { S3Api } from './client.ts';
import { deliveredObject } from './delivered-object.ts';
import type { S3Location } from './location.ts';

export function createS3Source(location: S3Location & { readonly pollIntervalMs: number }, s3: S3Api): Source {
  const { bucket } = location;
  const store: ObjectStore = {
    list: (request, signal) => s3.list({ bucket, ...request }, signal),
    read: (listed, signal) => s3.read({ bucket, ...listed }, signal),
    close: () => s3.close(),
  };
  return new ObjectStoreSource(location, {
    store,
    idPrefix: `s3://${bucket}/`,
    urlOf: (folder) => (folder === '' ? `s3://${bucket}` : `s3://${bucket}/${folder}`),
    // The next listing offers it again, whatever the outcome.
    candidate: (listed) => ({ object: deliveredObject(location, listed, s3), settle: () => {} }),
  });
}
