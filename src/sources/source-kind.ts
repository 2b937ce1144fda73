/**
 * What each kind of source provides: one folder, one entry in kinds.ts.
 */
import type { Source } from '../contracts/source.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { Parsed } from '../runtime/variable.ts';
import type { DeliveryFiles } from './directory/delivery-files.ts';
import type { S3Api } from './s3/client.ts';
import type { SourceParameters } from './source-parameters.ts';

export interface SourceKind<Location> {
  /** How it is written in `DATABRICKS_AUDIT_SOURCE`, for messages. */
  readonly form: string;
  /** Of its URLs and of the ids of its objects, without the colon. */
  readonly scheme: string;
  /** @param url without parameters. */
  parse(url: string, parameters: SourceParameters): Parsed<Location>;
  /** True when the outer location lists objects of the inner one: they would be shipped twice, under two names. */
  contains(outer: Location, inner: Location): boolean;
  /** Contacts nothing before the first listing. */
  createSource(location: Location & { readonly pollIntervalMs: number }, dependencies: SourceDependencies): Source;
  /** Contacts nothing before the first object is opened. */
  createOpener(dependencies: SourceDependencies): ObjectOpener;
}

/** Opens objects by what their listing showed, for a thread that lists nothing itself. */
export interface ObjectOpener {
  /** As `DeliveredObject.open`: exactly the version that was listed. */
  open(object: ListedObject, signal: AbortSignal): ReturnType<DeliveredObject['open']>;
  close(): Promise<void>;
}

export type ListedObject = Pick<DeliveredObject, 'origin' | 'version'>;

export interface SourceDependencies {
  /**
   * For how many listings a file must not change before a last line without a newline counts as complete; 0 when what is
   * there is complete.
   */
  readonly stillAfterPolls: number;
  /** The network and the disk, unless they are to be the real ones. */
  readonly createS3?: (() => S3Api) | undefined;
  readonly files?: DeliveryFiles | undefined;
}
