/**
 * Summarises what was delivered, according to the state.
 */
import type { DatabaseSync } from 'node:sqlite';
import { type DeliverySummary, type PartitionSummary, summariseWorkspaces } from '../contracts/delivery-summary.ts';
import { metaText } from './meta.ts';
import { openReadOnly } from './state-reader.ts';
import { WorkspaceRows } from './workspace-rows.ts';

/**
 * Resolves to undefined if the directory contains no state yet. Rejects with ERR_STATE_DAMAGED, ERR_STATE_NEWER or
 * ERR_STATE_OLDER.
 */
export async function readDeliverySummary(directory: string): Promise<DeliverySummary | undefined> {
  const state = openReadOnly(directory);
  if (state === undefined) return undefined;
  try {
    return state.explainingFailure(() => summarise(state.database));
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
    return state.explainingFailure(() => partitionsOf(state.database, `WHERE date > ${dateBefore(days)}`));
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

function partitionsOf(database: DatabaseSync, where = ''): readonly PartitionSummary[] {
  const rows = database
    .prepare(
      `SELECT workspace_id, date, count(*) AS objects, sum(settled_etag IS NULL) AS open, sum(settled_fault IS NOT NULL) AS unreadable,
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
    unreadableObjectCount: Number(row.unreadable),
    acceptedCount: Number(row.accepted),
    deadLetteredCount: Number(row.dead_lettered),
    unparsedCount: Number(row.unparsed),
    newestObjectMs: row.newest_object_ms === null ? undefined : Number(row.newest_object_ms),
  }));
}
