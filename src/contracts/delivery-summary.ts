/**
 * Contract: a summary of what was delivered, according to the state.
 */
import type { ObjectId } from '../model/object.ts';
import type { Silence, WorkspaceEvents } from './silence-state.ts';

/** The objects of one workspace and date. */
export interface PartitionSummary {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly objectCount: number;
  /** Objects without a completely settled version. */
  readonly openObjectCount: number;
  /** Objects whose settled version could not be read to its end, or is not JSON Lines, recorded since schema version 6. */
  readonly unreadableObjectCount: number;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** Lines that could not be parsed, counted since schema version 4. They are in the other two counts as well. */
  readonly unparsedCount: number;
  /** LastModified of the newest completely settled object version; undefined if there is none. */
  readonly newestObjectMs: number | undefined;
}

/** The newest event and the newest object of one workspace. */
export interface WorkspaceSummary {
  readonly workspaceId: string | undefined;
  /** Undefined if none of its lines has a time. */
  readonly lastEventMs: number | undefined;
  /** The maximum over its dates. */
  readonly newestObjectMs: number | undefined;
  readonly silence: Silence | undefined;
}

export interface DeliverySummary {
  readonly createdOn: string;
  /** Undefined for a shared state, whose store knows its own size. */
  readonly databaseBytes: number | undefined;
  /** Batches that were announced but not settled: in flight, or to be sent again after a crash. */
  readonly announcedBatchCount: number;
  /** Lines in these batches. */
  readonly announcedLineCount: number;
  readonly partitions: readonly PartitionSummary[];
  readonly workspaces: readonly WorkspaceSummary[];
  /** The processes that share the state; undefined if it belongs to one. */
  readonly replicas?: readonly ReplicaSummary[] | undefined;
}

/** A process that has not left the shared state. Whether it is alive is known only to those who watch its counter. Times are by its own clock. */
export interface ReplicaSummary {
  readonly id: string;
  readonly host: string;
  readonly version: string;
  readonly startedAtMs: number;
  /** Its last sign of life. */
  readonly raisedAtMs: number;
  /** The objects that it holds. */
  readonly objectIds: readonly ObjectId[];
}

export function summariseWorkspaces(
  partitions: readonly PartitionSummary[],
  events: readonly WorkspaceEvents[],
): WorkspaceSummary[] {
  const eventsById = new Map(events.map((each) => [each.workspaceId, each]));
  return [...Map.groupBy(partitions, ({ workspaceId }) => workspaceId)].map(([workspaceId, dates]) => {
    const objectTimes = dates.flatMap(({ newestObjectMs }) => newestObjectMs ?? []);
    return {
      workspaceId,
      lastEventMs: eventsById.get(workspaceId)?.lastEventMs,
      newestObjectMs: objectTimes.length === 0 ? undefined : Math.max(...objectTimes),
      silence: eventsById.get(workspaceId)?.silence,
    };
  });
}
