/**
 * What each kind of source provides. A kind is one folder and one entry in kinds.ts.
 */
import type { Source } from '../contracts/source.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { Parsed } from '../runtime/variable.ts';
import type { DeliveryFiles } from './directory/delivery-files.ts';
import type { S3Api } from './s3/client.ts';
import type { SourceParameters } from './source-parameters.ts';

export interface SourceKind<Location> {
  /** The form in `DATABRICKS_AUDIT_SOURCE`, for messages. */
  readonly form: string;
  /** Scheme of its URLs and of its object ids, without the colon. */
  readonly scheme: string;
  /** @param url the URL without parameters. */
  parse(url: string, parameters: SourceParameters): Parsed<Location>;
  /** True if the outer location also lists objects of the inner one, which would then be shipped twice. */
  contains(outer: Location, inner: Location): boolean;
  /** Does not contact anything before the first listing. */
  createSource(location: Location & { readonly pollIntervalMs: number }, dependencies: SourceDependencies): Source;
  /** Does not contact anything before the first object is opened. */
  createOpener(dependencies: SourceDependencies): ObjectOpener;
}

/** Opens objects that another thread has listed. */
export interface ObjectOpener {
  /** Like `DeliveredObject.open`: opens exactly the version that was listed. */
  open(object: ListedObject, signal: AbortSignal): ReturnType<DeliveredObject['open']>;
  close(): Promise<void>;
}

export type ListedObject = Pick<DeliveredObject, 'origin' | 'version'>;

export interface SourceDependencies {
  /**
   * After this many listings without a change, a last line without a newline counts as complete; 0: it is always complete.
   */
  readonly stillAfterPolls: number;
  /** Replace the real network and disk. */
  readonly createS3?: (() => S3Api) | undefined;
  readonly files?: DeliveryFiles | undefined;
}
