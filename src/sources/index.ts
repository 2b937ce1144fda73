/**
 * The part that finds delivered objects.
 */
import assert from 'node:assert';
import type { Source } from '../contracts/source.ts';
import { type KindName, kinds, type LocationOf, type SourceLocation } from './kinds.ts';
import type { ObjectOpener, SourceDependencies } from './source-kind.ts';

export type { DeliveryFile, DeliveryFiles, FileStats } from './directory/delivery-files.ts';
export { directoryAt } from './directory/index.ts';
export type { SourceLocation } from './kinds.ts';
export { readLayout } from './layout.ts';
export { type BucketFacts, inspectBucket } from './s3/bucket-inspection.ts';
export type { S3Api } from './s3/client.ts';
export type { ObjectOpener, SourceDependencies } from './source-kind.ts';

/** A location with everything decided. */
export type ConfiguredSource = SourceLocation & {
  readonly pollIntervalMs: number;
  /** Links out of a directory. Default no. */
  readonly followLinks?: boolean | undefined;
};

/** Contacts nothing before the first listing. */
export function createSources(
  locations: readonly ConfiguredSource[],
  dependencies: SourceDependencies,
): readonly Source[] {
  return locations.map((location) => createSource(location, dependencies));
}

function createSource<Name extends KindName>(
  location: LocationOf<Name> & { readonly kind: Name; readonly pollIntervalMs: number },
  dependencies: SourceDependencies,
): Source {
  return kinds[location.kind].createSource(location, dependencies);
}

/** Opens objects of every kind, told apart by the scheme of their ids. */
export function createObjectOpener(dependencies: SourceDependencies): ObjectOpener {
  const openers = new Map(
    Object.values(kinds).map((kind): [string, ObjectOpener] => [`${kind.scheme}:`, kind.createOpener(dependencies)]),
  );
  return {
    open(object, signal) {
      const opener = openers.get(new URL(object.origin.id).protocol);
      assert(opener !== undefined, `no kind of source has objects such as ${object.origin.id}`);
      return opener.open(object, signal);
    },
    async close() {
      await Promise.all([...openers.values()].map((opener) => opener.close()));
    },
  };
}
