/**
 * Deliveries in a directory.
 */
import type { SourceKind } from '../source-kind.ts';
import { realFiles } from './delivery-files.ts';
import { containsDirectory, type DirectoryLocation, parseFileUrl } from './location.ts';
import { createFileOpener } from './opener.ts';
import { DirectorySource } from './source.ts';

export { type DirectoryLocation, directoryAt } from './location.ts';

export const directory: SourceKind<DirectoryLocation> = {
  form: 'a directory or a file:// URL',
  scheme: 'file',
  parse: parseFileUrl,
  contains: containsDirectory,
  createSource: (location, { stillAfterPolls, files = realFiles }) =>
    new DirectorySource(location, stillAfterPolls, files),
  createOpener: ({ files = realFiles }) => createFileOpener(files),
};
