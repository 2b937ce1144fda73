/**
 * Contract: a place where Databricks delivers audit files.
 */
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { VisitOutcome } from './visit-outcome.ts';

export interface Source {
  /** As it was configured: `s3://bucket/prefix` or a directory. */
  readonly name: string;
  /** Time between two listings of recent dates. */
  readonly pollIntervalMs: number;
  /**
   * Lists the workspaces of the source. Rejects with an AgentError when the source itself cannot be listed. What is odd but
   * no reason to stop (an unreadable folder, objects outside the layout) goes to `request.onFault`.
   */
  list(request: ListingRequest): AsyncIterable<WorkspaceListing>;
  close(): Promise<void>;
}

/** Faults of a listing that is complete all the same: what lies outside the layout is not read, and there may be nothing yet. */
export const completeListingCodes: ReadonlySet<ErrorCode> = new Set(['ERR_SOURCE_LAYOUT', 'ERR_SOURCE_EMPTY']);

/** Which date partitions to list, as `yyyy-mm-dd`. Objects whose path has no date belong to every range. */
export interface DateRange {
  /** The first date, or undefined for the earliest there is. */
  readonly from: string | undefined;
  /** The first date after the range, or undefined for no end. */
  readonly before: string | undefined;
}

export interface ListingRequest {
  readonly dates: DateRange;
  readonly signal: AbortSignal;
  readonly onFault: (fault: AgentError) => void;
}

/** What one workspace (or a tree without workspaces) has in the requested dates. */
export interface WorkspaceListing {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  /** Oldest date first, each object in its current version, page by page: a listing is never held in memory whole. */
  pages(): AsyncIterable<readonly Candidate[]>;
}

/** An object that may hold new lines, offered for a visit by a listing (or by whatever else learns of objects). */
export interface Candidate {
  readonly object: DeliveredObject;
  /** Told the outcome, at most once. A consumer that only looks need not call it. */
  settle(outcome: VisitOutcome): void;
}
