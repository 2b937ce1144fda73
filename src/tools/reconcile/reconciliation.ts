/**
 * The result of comparing the bucket with the state.
 */

/** Totals over objects. */
export interface LineCounts {
  objectCount: number;
  /** Lines in the bucket. */
  lineCount: number;
  /** Settled lines of these objects, including lines that they no longer contain. */
  acceptedCount: number;
  deadLetteredCount: number;
  /** Dead-lettered lines that are still waiting in a dead-letter file: accounted for, but not delivered. */
  undeliveredCount: number;
  inFlightCount: number;
  /** Not settled yet, in objects that were delivered so recently that the agent need not have shipped them: not accounted for. */
  waitingCount: number;
  missingCount: number;
  /** See ObjectComparison. */
  unverifiedCount: number;
  /** Settled, but no longer in the object, which still exists. */
  goneCount: number;
  /** Shipped by this reconciliation. */
  repairedCount: number;
  /** Sent again by this reconciliation, because the backend did not have them. */
  resentCount: number;
  /** Those of them whose observed time may differ from that of the first sending. */
  resentDifferentlyCount: number;
  /** Accepted according to the state, so expected in the backend. Undefined without a backend. */
  expectedInBackendCount?: number;
  missingInBackendCount?: number;
}

export interface Partition extends LineCounts {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
}

export interface ObjectDifference {
  readonly object: string;
  readonly missingCount: number;
  readonly unverifiedCount: number;
  readonly firstMissing: NamedLine | undefined;
}

export interface NamedLine {
  readonly object: string;
  readonly lineNumber?: number | undefined;
  readonly uid: string;
}

/** What could not be read, or is not there, and what to do about it. */
export interface Problem {
  readonly name: string;
  readonly reason: string;
  readonly hint?: string | undefined;
}

/** A source that was listed and had no object to compare. */
export type SourceNotCompared =
  /** Had some according to the state, and they are no longer there. Or it has some, but not in the dates compared. */
  | { readonly name: string; readonly status: 'removed' | 'otherDates' }
  /** Never had any, as far as is known. */
  | (Problem & { readonly status: 'empty' });

export interface Reconciliation {
  /**
   * True if something was accounted for, or all of it was removed, and everything that is still there could be read and nothing is missing,
   * and no source is empty. Lines that are not due yet may be there beside others, but prove nothing alone.
   */
  readonly isWhole: boolean;
  readonly partitions: readonly Partition[];
  readonly totals: LineCounts;
  /** The first 1,000 objects with a difference. */
  readonly differences: readonly ObjectDifference[];
  readonly differenceCount: number;
  /** What could not be listed, read or decoded completely, with the reason. */
  readonly unreadable: readonly Problem[];
  readonly notCompared: readonly SourceNotCompared[];
  /** Objects that were overwritten, or gone although they were listed, each time they were read, so they were not compared. */
  readonly changing: readonly string[];
  /** Objects that were deleted between their listing and their reading, and are not listed any more. They were not compared. */
  readonly deleted: readonly string[];
  readonly backend:
    | { readonly name: string; readonly repeatedCount: number; readonly firstMissing: NamedLine | undefined }
    | undefined;
}

export function noLines(): LineCounts {
  return {
    objectCount: 0,
    lineCount: 0,
    acceptedCount: 0,
    deadLetteredCount: 0,
    undeliveredCount: 0,
    inFlightCount: 0,
    waitingCount: 0,
    missingCount: 0,
    unverifiedCount: 0,
    goneCount: 0,
    repairedCount: 0,
    resentCount: 0,
    resentDifferentlyCount: 0,
  };
}

/** Settled or in flight. */
export function accountedFor({ lineCount, waitingCount, missingCount, unverifiedCount }: LineCounts): number {
  return lineCount - waitingCount - missingCount - unverifiedCount;
}

export function addTo(sums: LineCounts, more: Partial<LineCounts>): void {
  for (const [name, count] of Object.entries(more) as [keyof LineCounts, number][])
    sums[name] = (sums[name] ?? 0) + count;
}
