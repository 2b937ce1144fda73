/**
 * Opens S3 objects by their location attributes.
 */
import type { ObjectOpener } from '../source-kind.ts';
import type { S3Api } from './client.ts';
import { bucketAttribute, keyAttribute } from './delivered-object.ts';

export function createS3Opener(s3: S3Api): ObjectOpener {
  return {
    open({ origin: { location }, version }, signal) {
      const { [bucketAttribute]: bucket = '', [keyAttribute]: key = '' } = location;
      return s3.read({ bucket, key, ...version }, signal);
    },
    close: () => s3.close(),
  };
}
