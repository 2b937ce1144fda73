/**
 * Deliveries in Google Cloud Storage.
 */
import type { SourceKind } from '../source-kind.ts';
import { createGcsClient } from './client.ts';
import { inspectBucket } from './inspection.ts';
import { containsGcsLocation, type GcsLocation, parseGcsLocation, resolveGcsLocation } from './location.ts';
import { createGcsOpener, createGcsSource } from './source.ts';

export { type GcsLocation, gcsVariables } from './location.ts';

export const gcs: SourceKind<GcsLocation> = {
  form: 'gs://bucket/prefix',
  scheme: 'gs',
  parse: parseGcsLocation,
  resolve: resolveGcsLocation,
  contains: containsGcsLocation,
  idsBeginWith: ({ bucket, prefix }) => `gs://${bucket}/${prefix}`,
  createSource: (location, { clock }) => createGcsSource(location, createGcsClient(location, clock)),
  createOpener: (_, locations) => createGcsOpener(locations, createGcsClient),
  inspect: inspectBucket,
};
