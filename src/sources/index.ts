/**
 * The part that finds delivered objects.
 */
import type { Source } from '../contracts/source.ts';
import type { DeliveryFiles } from './directory/delivery-files.ts';
import { DirectorySource } from './directory/source.ts';
import { type ObjectOpener, openerOf } from './object-opener.ts';
import type { SourceLocation } from './options.ts';
import { createS3Client, type S3Api } from './s3/client.ts';
import { S3ListingSource } from './s3/source.ts';

export type { DeliveryFile, DeliveryFiles, FileStats } from './directory/delivery-files.ts';
export { readLayout } from './layout.ts';
export type { ObjectOpener } from './object-opener.ts';
export type { SourceLocation } from './options.ts';
export { type BucketFacts, inspectBucket } from './s3/bucket-inspection.ts';
export type { S3Api } from './s3/client.ts';

export interface SourcesOptions {
  readonly sources: readonly SourceLocation[];
  /**
   * For how many listings a file must not change before a last line without a newline counts as whole; 0 when what is
   * there is complete.
   */
  readonly stillAfterPolls: number;
  readonly createS3?: (() => S3Api) | undefined;
  readonly files?: DeliveryFiles | undefined;
}

/** Nothing is contacted before the first listing. */
export function createSources({
  sources,
  stillAfterPolls,
  createS3 = createS3Client,
  files,
}: SourcesOptions): readonly Source[] {
  return sources.map((location) =>
    location.kind === 's3'
      ? new S3ListingSource(location, createS3())
      : new DirectorySource(location, stillAfterPolls, files),
  );
}

export function createObjectOpener(): ObjectOpener {
  return openerOf(createS3Client());
}
