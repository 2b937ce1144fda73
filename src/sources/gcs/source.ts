/**
 * Deliveries in a bucket of Google Cloud Storage, listed like any object store. The version of an object is its generation: every write has
 * a new one, even of the same content, and a read names the one that it wants.
 */
import type { Source } from '../../contracts/source.ts';
import type { DeliveredObject, ObjectId } from '../../model/object.ts';
import { readLayout } from '../layout.ts';
import { fileNameOf, type ListedObject, type ObjectStore } from '../object-store.ts';
import { ObjectStoreSource } from '../object-store-source.ts';
import type { ObjectOpener } from '../source-kind.ts';
import type { GcsApi, GcsBucket } from './client.ts';
import type { GcsLocation } from './location.ts';

// OpenTelemetry's semantic conventions have attributes for objects of S3, but none for those of Google (1.44). `log.file.path` is theirs.
const bucketAttribute = 'gcp.storage.bucket.name';
const pathAttribute = 'log.file.path';

export function createGcsSource(
  location: GcsLocation & { readonly pollIntervalMs: number },
  store: ObjectStore,
): Source {
  const { bucket } = location;
  return new ObjectStoreSource(location, {
    store,
    idPrefix: `gs://${bucket}/`,
    urlOf: (folder) => (folder === '' ? `gs://${bucket}` : `gs://${bucket}/${folder}`),
    // The next listing offers it again, whatever the outcome.
    candidate: (listed) => ({ object: deliveredObject(location, listed, store), settle: () => {} }),
  });
}

function deliveredObject(
  { bucket, mapping }: GcsLocation,
  { key, etag, sizeBytes, modifiedAtMs }: ListedObject,
  store: Pick<ObjectStore, 'read'>,
): DeliveredObject {
  return {
    origin: {
      id: `gs://${bucket}/${key}` as ObjectId,
      fileName: fileNameOf(key),
      location: { [bucketAttribute]: bucket, [pathAttribute]: key },
      ...readLayout(key),
      mapping,
    },
    version: { etag, sizeBytes, modifiedAtMs },
    growing: false,
    open: (signal) => store.read({ key, etag, sizeBytes, modifiedAtMs }, signal),
  };
}

/** Opens objects with one client for each bucket. */
export function createGcsOpener(
  locations: readonly GcsLocation[],
  createClient: (bucket: GcsBucket) => GcsApi,
): ObjectOpener {
  const emulator = locations.find((location) => location.emulator !== undefined)?.emulator;
  const clients = new Map<string, GcsApi>();
  return {
    open({ origin: { location }, version }, signal) {
      const { [bucketAttribute]: bucket = '', [pathAttribute]: key = '' } = location;
      const client = clients.get(bucket) ?? createClient({ bucket, emulator });
      clients.set(bucket, client);
      return client.read({ key, ...version }, signal);
    },
    async close() {
      await Promise.all([...clients.values()].map((client) => client.close()));
    },
  };
}
