/**
 * What each kind of source provides. A kind is one folder and one entry in kinds.ts.
 */
import type { CheckResult } from '../contracts/check-result.ts';
import type { Source } from '../contracts/source.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Parsed } from '../runtime/variable.ts';
import type { DeliveryFiles } from './directory/delivery-files.ts';
import type { S3Api } from './s3/client.ts';
import type { OwnParameters, SourceParameters } from './source-parameters.ts';

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface SourceKind<Location> {
  /** The form in `DATABRICKS_AUDIT_SOURCE`, for messages. */
  readonly form: string;
  /** Scheme of its object ids, and of its URLs unless `schemes` names more, without the colon. */
  readonly scheme: string;
  /** Other schemes of its URLs. */
  readonly otherSchemes?: readonly string[] | undefined;
  /** Names of parameters that only its URLs take. */
  readonly ownParameters?: readonly string[] | undefined;
  /** Variables of its service, if no program reads others of nearly the same name, which would be taken for misspelled ones. */
  readonly variables?: readonly string[] | undefined;
  /** Unless `?poll=` or `DATABRICKS_AUDIT_POLL_INTERVAL` is set; undefined for the default of that variable. */
  readonly pollIntervalDefaultMs?: number | undefined;
  /** @param url the URL without parameters. @param own the values of `ownParameters` that are set. */
  parse(url: string, parameters: SourceParameters, own: OwnParameters): Parsed<Location>;
  /**
   * Completes a location with what the service's own variables say, such as the name of an account. A problem begins with the name of a
   * variable; several are separated by line feeds.
   */
  resolve?(location: Location, environment: Environment): Parsed<Location>;
  /** True if the outer location also lists objects of the inner one, which would then be shipped twice. */
  contains(outer: Location, inner: Location): boolean;
  /** What the ids of all objects begin with. Undefined for objects that only one machine can read. */
  idsBeginWith?(location: Location): string;
  /** Does not contact anything before the first listing. */
  createSource(location: Location & { readonly pollIntervalMs: number }, dependencies: SourceDependencies): Source;
  /**
   * Does not contact anything before the first object is opened.
   * @param locations all configured sources of this kind.
   */
  createOpener(dependencies: SourceDependencies, locations: readonly Location[]): ObjectOpener;
  /** Looks at settings of the service for `check`; undefined if there are none. Rejects only with the signal's reason. */
  inspect?(location: Location, signal: AbortSignal, clock: Clock): Promise<SourceInspection>;
}

/** What `check` reports about a source beyond listing and reading it. */
export interface SourceInspection {
  readonly results: readonly CheckResult[];
  /** The clock of the service; undefined if it told no time. */
  readonly serverClock: { readonly server: string; readonly aheadMs: number } | undefined;
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
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Replace the real network and disk. */
  readonly createS3?: (() => S3Api) | undefined;
  readonly files?: DeliveryFiles | undefined;
  readonly databricks?: WorkspaceDependencies | undefined;
}

/** Replace the real environment, clock and page size of a table. */
export interface WorkspaceDependencies {
  readonly environment?: Environment | undefined;
  readonly clock?: Clock | undefined;
  readonly pageRows?: number | undefined;
}
