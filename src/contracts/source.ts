/**
 * Contract: a place where Databricks delivers audit files.
 */
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { VisitOutcome } from './visit-outcome.ts';

export interface Source {
  /** As it was configured, without parameters: `s3://bucket/prefix`, a directory. */
  readonly name: string;
  /** Time between two listings of the lookback window. */
  readonly pollIntervalMs: number;
  /**
   * Lists the workspaces of the source. Rejects with an AgentError if the source itself cannot be listed. Problems that do
   * not prevent listing the rest (an unreadable folder, objects outside the layout) go to `request.onFault`, and those of
   * the pages of a workspace to the function that the pages were asked with.
   */
  list(request: ListingRequest): AsyncIterable<WorkspaceListing>;
  close(): Promise<void>;
}

/** By what a shared state tells the sources that it was used for from others. */
export interface SourceIdentity {
  readonly name: string;
  /** What the ids of all its objects begin with. Undefined if nobody can tell, as for the custom source of a program. */
  readonly idsBeginWith?: string | undefined;
}

/** Faults of a listing that is complete all the same: what lies outside the layout is not read, and there may be nothing yet. */
const completeListingCodes: ReadonlySet<ErrorCode> = new Set(['ERR_SOURCE_LAYOUT', 'ERR_SOURCE_EMPTY']);

/** True if the listing that met the fault did not return everything. */
export function isPartialListing({ code }: { readonly code: ErrorCode }): boolean {
  return !completeListingCodes.has(code);
}

/** Which date partitions to list, as `yyyy-mm-dd`. Objects whose path has no date belong to every range. */
export interface DateRange {
  /** The first date; undefined for no start. */
  readonly from: string | undefined;
  /** The first date after the range, or undefined for no end. */
  readonly before: string | undefined;
}

export interface ListingRequest {
  readonly dates: DateRange;
  readonly signal: AbortSignal;
  readonly onFault: (fault: AgentError) => void;
  /**
   * Whether the state knows objects whose ids begin with one of these: a source without any object that had some is neither empty yet
   * nor wrong. Undefined if nobody can tell.
   */
  readonly knowsAny?: ((idsBeginWith: readonly string[]) => Promise<boolean | undefined>) | undefined;
}

/** The objects of one workspace (or of a tree without workspaces) in the requested dates. */
export interface WorkspaceListing {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  /**
   * Oldest date first, each object in its current version. Paged, because a listing may not fit into memory.
   * @param onFault receives the problems of this workspace; by default `onFault` of the request does.
   */
  pages(onFault?: (fault: AgentError) => void): AsyncIterable<readonly Candidate[]>;
}

/** An object that may contain new lines, offered for a visit by a listing or by another producer, such as a queue. */
export interface Candidate {
  readonly object: DeliveredObject;
  /** Receives the outcome, at most once. A consumer that does not ship the object need not call it. */
  settle(outcome: VisitOutcome): void;
}
