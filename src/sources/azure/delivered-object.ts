/**
 * A blob as a delivered object.
 */
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { fileNameOf, type ListedObject } from '../object-store.ts';
import type { BlobApi } from './client.ts';
import type { ResolvedAzureLocation } from './location.ts';

// OpenTelemetry's semantic conventions have attributes for objects of S3, but none for blobs (1.44). `log.file.path` is theirs; the others
// have the names that Elastic gives them.
const accountAttribute = 'azure.storage.account.name';
export const containerAttribute = 'azure.storage.container.name';
export const pathAttribute = 'log.file.path';

/** Every id of a blob in this account begins with this. */
export function idPrefix({ endpoint }: Pick<ResolvedAzureLocation, 'endpoint'>): string {
  return `az://${endpoint.replace(/^https?:\/\//, '')}/`;
}

/** @param found what the name of the blob tells. */
export function deliveredBlob(
  location: ResolvedAzureLocation,
  container: string,
  { key, etag, sizeBytes, modifiedAtMs }: ListedObject,
  found: Pick<DeliveredObject['origin'], 'workspaceId' | 'hasWorkspaceName' | 'date'> &
    Pick<DeliveredObject, 'growing'>,
  blobs: Pick<BlobApi, 'read'>,
): DeliveredObject {
  const { growing, ...named } = found;
  return {
    origin: {
      id: `${idPrefix(location)}${container}/${key}` as ObjectId,
      fileName: fileNameOf(key),
      location: { [accountAttribute]: location.account, [containerAttribute]: container, [pathAttribute]: key },
      ...named,
      mapping: location.mapping,
    },
    version: { etag, sizeBytes, modifiedAtMs },
    growing,
    open: (signal) => blobs.read(container, { key, etag, sizeBytes, modifiedAtMs }, signal),
  };
}
