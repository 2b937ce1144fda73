/**
 * Deliveries in an S3 bucket.
 */
import type { SourceKind } from '../source-kind.ts';
import { inspectBucket } from './bucket-inspection.ts';
import { createS3Client } from './client.ts';
import { containsS3Location, parseS3Location, type S3Location } from './location.ts';
import { createS3Opener } from './opener.ts';
import { createS3Source } from './source.ts';

export { parseS3Arn, type S3Location } from './location.ts';

export const s3: SourceKind<S3Location> = {
  form: 's3://bucket/prefix',
  scheme: 's3',
  parse: parseS3Location,
  contains: containsS3Location,
  createSource: (location, { createS3 = createS3Client }) => createS3Source(location, createS3()),
  createOpener: ({ createS3 = createS3Client }) => createS3Opener(createS3()),
  inspect: inspectBucket,
};
