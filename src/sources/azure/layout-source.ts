/**
 * A container with the delivery layout, as a job or another cloud writes it, listed like any object store.
 */
import type { Candidate, Source } from '../../contracts/source.ts';
import { readLayout } from '../layout.ts';
import type { ObjectStore } from '../object-store.ts';
import { ObjectStoreSource } from '../object-store-source.ts';
import { Stillness } from '../stillness.ts';
import type { BlobApi, ListedBlob } from './client.ts';
import { deliveredBlob, idPrefix } from './delivered-object.ts';
import type { ResolvedAzureLocation } from './location.ts';

export function createLayoutSource(
  location: ResolvedAzureLocation & { readonly container: string; readonly pollIntervalMs: number },
  blobs: BlobApi,
  stillAfterPolls: number,
): Source {
  const { container, name } = location;
  const stillness = new Stillness(stillAfterPolls);
  const store: ObjectStore<ListedBlob> = {
    list: (request, signal) => blobs.list(container, request, signal),
    read: (listed, signal) => blobs.read(container, listed, signal),
    close: () => blobs.close(),
  };
  // In `abfss://<container>@<host>` and `az://<container>`, the container comes first.
  const [authority = name] = /^[^:]+:\/\/[^/]*/.exec(name) ?? [];
  const root = /^[^@]*\./.test(authority) ? `${authority}/${container}` : authority;
  return new ObjectStoreSource(location, {
    store,
    idPrefix: `${idPrefix(location)}${container}/`,
    urlOf: (folder) => (folder === '' ? root : `${root}/${folder}`),
    candidate(listed, listing): Candidate {
      const { key, etag, isAppended } = listed;
      const growing = isAppended && stillness.isGrowing(key, etag, listing);
      return {
        object: deliveredBlob(location, container, listed, { ...readLayout(key), growing }, blobs),
        settle({ status }) {
          if (status === 'growing') stillness.foundIncomplete(key, etag, listing);
        },
      };
    },
  });
}
