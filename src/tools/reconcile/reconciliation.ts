/**
 * What comparing the bucket with the state came to.
 */
/** Sums over objects. */
export interface LineCounts {
  objectCount: number;
  /** In the bucket. */
  lineCount: number;
  /** Of these objects, lines that are no longer in them included. */
  acceptedCount: number;
  deadLetteredCount: number;
  inFlightCount: number;
  /** Not settled yet, in objects that were delivered a moment ago. */
  waitingCount: number;
  missingCount: number;
  /** See ObjectComparison. */
  unverifiedCount: number;
  /** Settled, and no longer in an object that is still there. */
  goneCount: number;
  /** Shipped by this very run. */
  repairedCount: number;
  /** Compared with the backend: accepted, by the state. Undefined without a backend. */
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

export interface Reconciliation {
  /** True when something was compared, everything could be looked at, and nothing is missing. */
  readonly isWhole: boolean;
  readonly partitions: readonly Partition[];
  readonly totals: LineCounts;
  /** The first 1,000 objects with a difference. */
  readonly differences: readonly ObjectDifference[];
  readonly differenceCount: number;
  /** What could not be listed, read or decoded to its end, with the reason. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
  /** Overwritten again and again while they were read. */
  readonly changing: readonly string[];
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
    inFlightCount: 0,
    waitingCount: 0,
    missingCount: 0,
    unverifiedCount: 0,
    goneCount: 0,
    repairedCount: 0,
  };
}

export function addTo(sums: LineCounts, more: Partial<LineCounts>): void {
  for (const [name, count] of Object.entries(more) as [keyof LineCounts, number][])
    sums[name] = (sums[name] ?? 0) + count;
}
