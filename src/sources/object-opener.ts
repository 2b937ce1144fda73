/**
 * Opens objects by what their listing told of them, for a thread that lists nothing itself.
 */
import { fileURLToPath } from 'node:url';
import type { DeliveredObject } from '../model/object.ts';
import { realFiles } from './directory/delivery-files.ts';
import { openFileVersion } from './directory/file-object.ts';
import type { S3Api } from './s3/client.ts';

export type ListedObject = Pick<DeliveredObject, 'origin' | 'version'>;

export interface ObjectOpener {
  /** As `DeliveredObject.open`: exactly the version that was listed. */
  open(object: ListedObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

/** @param s3 contacts nobody before the first object of a bucket is opened. */
export function openerOf(s3: S3Api): ObjectOpener {
  return {
    open({ origin: { id, bucket, key }, version }, signal) {
      if (bucket === undefined || key === undefined)
        return openFileVersion(realFiles, fileURLToPath(id), version, signal);
      return s3.read({ bucket, key, ...version }, signal);
    },
    close: () => s3.close(),
  };
}
