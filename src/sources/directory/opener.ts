/**
 * Opens files by the path in their id.
 */
import type { ObjectOpener } from '../source-kind.ts';
import type { DeliveryFiles } from './delivery-files.ts';
import { urlToPath } from './file-names.ts';
import { openFileVersion } from './file-object.ts';

export function createFileOpener(files: DeliveryFiles): ObjectOpener {
  return {
    open: ({ origin, version }, signal) => openFileVersion(files, urlToPath(origin.id), version, signal),
    close: async () => {},
  };
}
