/**
 * Opens blobs with the client of their storage account.
 */
import assert from 'node:assert';
import type { ObjectOpener } from '../source-kind.ts';
import type { BlobApi } from './client.ts';
import { containerAttribute, idPrefix, pathAttribute } from './delivered-object.ts';
import type { ResolvedAzureLocation } from './location.ts';

export function createBlobOpener(
  locations: readonly ResolvedAzureLocation[],
  createBlobs: (location: ResolvedAzureLocation) => BlobApi,
): ObjectOpener {
  const accounts = new Map(locations.map((location) => [idPrefix(location), location]));
  const clients = [...accounts].map(([prefix, location]) => ({ prefix, blobs: createBlobs(location) }));
  return {
    open({ origin: { id, location }, version }, signal) {
      const client = clients.find(({ prefix }) => id.startsWith(prefix));
      assert(client !== undefined, `no source is configured for ${id}`);
      const { [containerAttribute]: container = '', [pathAttribute]: key = '' } = location;
      return client.blobs.read(container, { key, ...version }, signal);
    },
    async close() {
      await Promise.all(clients.map(({ blobs }) => blobs.close()));
    },
  };
}
