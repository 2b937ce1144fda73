/**
 * Summarises what was delivered, according to the state.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { Silence, WorkspaceEvents } from '../contracts/silence-state.ts';
import { metaText } from './meta.ts';
import { openReadOnly } from './state-reader.ts';
import { WorkspaceRows } from './workspace-rows.ts';

/** The objects of one workspace and date. */
export interface PartitionSummary {
  readonly workspaceId: string | undefined;
  readonly date: string | undefined;
  readonly objectCount: number;
  /** Objects without a completely settled version. */
  readonly openObjectCount: number;
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
  readonly databaseBytes: number;
  /** Batches that were announced but not settled: in flight, or to be sent again after a crash. */
  readonly announcedBatchCount: number;
  /** Lines in these batches. */
  readonly announcedLineCount: number;
  readonly partitions: readonly PartitionSummary[];
  readonly workspaces: readonly WorkspaceSummary[];
}

/**
 * Resolves to undefined if the directory contains no state yet. Rejects with ERR_STATE_DAMAGED, ERR_STATE_NEWER or
 * ERR_STATE_OLDER.
 */
export async function readDeliverySummary(directory: string): Promise<DeliverySummary | undefined> {
  const state = openReadOnly(directory);
  if (state === undefined) return undefined;
  try {
    return state.explainingDamage(() => summarise(state.database));
  } finally {
    state.database.close();
  }
}

/**
 * Reads only the newest dates, which is fast enough to wait for at startup. Rejects as readDeliverySummary does.
 * @param days the number of days, counting back from the newest date.
 */
export async function readNewestPartitions(directory: string, days: number): Promise<readonly PartitionSummary[]> {
  const state = openReadOnly(directory);
  if (state === undefined) return [];
  try {
    return state.explainingDamage(() => partitionsOf(state.database, `WHERE date > ${dateBefore(days)}`));
  } finally {
    state.database.close();
  }
}

/** A subquery, so that it is evaluated once and not per object. The newest date is in the index as long as it has line hashes. */
function dateBefore(days: number): string {
  const newest = 'coalesce((SELECT max(date) FROM object WHERE has_line_hashes = 1), (SELECT max(date) FROM object))';
  return `(SELECT date(${newest}, '-${days} days'))`;
}

function summarise(database: DatabaseSync): DeliverySummary {
  const one = (sql: string) => database.prepare(sql).get()?.value ?? null;
  const partitions = partitionsOf(database);
  return {
    createdOn: metaText(database, 'created_on'),
    databaseBytes: Number(one('SELECT page_count * page_size AS value FROM pragma_page_count(), pragma_page_size()')),
    announcedBatchCount: Number(one('SELECT count(*) AS value FROM announcement')),
    announcedLineCount: Number(one('SELECT coalesce(sum(length(line_hashes)), 0) / 8 AS value FROM announcement')),
    workspaces: summariseWorkspaces(partitions, new WorkspaceRows(database).all()),
    partitions,
  };
}

function summariseWorkspaces(
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

function partitionsOf(database: DatabaseSync, where = ''): readonly PartitionSummary[] {
  const rows = database
    .prepare(
      `SELECT workspace_id, date, count(*) AS objects, sum(settled_etag IS NULL) AS open,
              sum(accepted_count) AS accepted, sum(dead_lettered_count) AS dead_lettered, sum(unparsed_count) AS unparsed,
              max(settled_modified_at_ms) AS newest_object_ms
       FROM object ${where} GROUP BY workspace_id, date ORDER BY workspace_id, date`,
    )
    .all();
  return rows.map((row) => ({
    workspaceId: row.workspace_id?.toString(),
    date: row.date?.toString(),
    objectCount: Number(row.objects),
    openObjectCount: Number(row.open),
    acceptedCount: Number(row.accepted),
    deadLetteredCount: Number(row.dead_lettered),
    unparsedCount: Number(row.unparsed),
    newestObjectMs: row.newest_object_ms === null ? undefined : Number(row.newest_object_ms),
  }));
}
