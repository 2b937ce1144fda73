/**
 * Sums up everything that was delivered, for the live page after a restart.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { metaText } from './meta.ts';
import { openReadOnly } from './state-reader.ts';

/** Settled lines of all objects of one workspace, by outcome. */
export interface DeliveredWorkspace {
  readonly workspaceId: string | undefined;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
}

export interface DeliveredTotals {
  /** The UTC date, `yyyy-mm-dd`, on which the state was created. */
  readonly createdOn: string;
  readonly workspaces: readonly DeliveredWorkspace[];
}

/** A million objects take about a second in all, so the event loop gets a turn in between. */
const objectsPerTurn = 20_000;

/**
 * The totals at the time of the call, whatever is settled while they are summed up. Resolves to undefined if there is no state
 * yet. Rejects with ERR_STATE_DAMAGED, ERR_STATE_NEWER or ERR_STATE_OLDER.
 */
export async function readDeliveredTotals(
  directory: string,
  signal: AbortSignal,
): Promise<DeliveredTotals | undefined> {
  const state = openReadOnly(directory);
  if (state === undefined) return undefined;
  const { database, explainingFailure } = state;
  try {
    database.exec('BEGIN');
    // The first read after BEGIN fixes what the transaction sees.
    const createdOn = explainingFailure(() => metaText(database, 'created_on'));
    const lastId = Number(database.prepare('SELECT max(object_id) AS id FROM object').get()?.id ?? 0);
    const sum = database.prepare(
      `SELECT workspace_id, sum(accepted_count) AS accepted, sum(dead_lettered_count) AS dead_lettered
       FROM object WHERE object_id > ? AND object_id <= ? GROUP BY workspace_id`,
    );
    const workspaces = new Map<string | undefined, { acceptedCount: number; deadLetteredCount: number }>();
    for (let from = 0; from < lastId; from += objectsPerTurn) {
      for (const row of explainingFailure(() => sum.all(from, from + objectsPerTurn))) {
        const workspaceId = row.workspace_id?.toString();
        const counts = workspaces.get(workspaceId) ?? { acceptedCount: 0, deadLetteredCount: 0 };
        counts.acceptedCount += Number(row.accepted);
        counts.deadLetteredCount += Number(row.dead_lettered);
        workspaces.set(workspaceId, counts);
      }
      await turn();
      signal.throwIfAborted();
    }
    return { createdOn, workspaces: [...workspaces].map(([workspaceId, counts]) => ({ workspaceId, ...counts })) };
  } finally {
    database.close();
  }
}
