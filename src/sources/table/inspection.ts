/**
 * What `check` finds out about a table beyond listing and reading it: which of the steps to it work. The first one that fails is the one
 * that listing has reported.
 */
import type { CheckResult } from '../../contracts/check-result.ts';
import { isAgentError } from '../../model/agent-error.ts';
import { type Clock, utcDate } from '../../runtime/clock.ts';
import { counted } from '../../runtime/counted.ts';
import type { SourceInspection } from '../source-kind.ts';
import type { TableLocation } from './location.ts';
import { listedBucketOf, listingStatement } from './statements.ts';
import type { Workspace } from './workspace.ts';

const dayMs = 86_400_000;

/** Rejects only with the signal's reason. */
export async function inspectTable(
  location: TableLocation,
  { api, address }: Workspace,
  signal: AbortSignal,
  clock: Clock,
): Promise<SourceInspection> {
  const results: CheckResult[] = [];
  let serverClock: SourceInspection['serverClock'];
  const ok = (message: string): CheckResult => ({ status: 'ok', message });
  const steps: readonly (() => Promise<CheckResult>)[] = [
    async () => {
      const type = await api.logIn(signal);
      return ok(
        type === 'pat'
          ? `a token for ${address.origin} is set`
          : `logged in to ${address.origin} as a service principal`,
      );
    },
    async () => {
      await api.rows({ sql: 'SELECT 1', parameters: [] }, signal);
      return ok(`SQL warehouse ${address.warehouseId} executes statements`);
    },
    async () => {
      const date = utcDate(clock.nowMs(), 1);
      const startMs = Date.parse(date);
      const statement = listingStatement(location, { startMs, endMs: startMs + dayMs }, dayMs);
      const askedAtMs = clock.nowMs();
      const listed = (await api.rows(statement, signal)).map(listedBucketOf);
      const [any] = listed;
      if (any !== undefined) {
        serverClock = { server: address.origin, aheadMs: any.listedAtMs - (askedAtMs + clock.nowMs()) / 2 };
      }
      // Rows without a time are listed with every day.
      const days = listed.filter((each) => each.startMs !== undefined);
      const rowCount = days.reduce((sum, each) => sum + each.rowCount, 0);
      const message = `${address.table} has ${counted(rowCount, 'row')} of yesterday, ${date}`;
      return rowCount > 0 ? ok(message) : { status: 'warning', message, hint: quietHint };
    },
  ];
  for (const step of steps) {
    try {
      results.push(await step());
    } catch (error) {
      signal.throwIfAborted();
      if (!isAgentError(error) && !(error instanceof SyntaxError)) throw error;
      break;
    }
  }
  return { results, serverClock };
}

const quietHint =
  'The table has the account events, and those of workspaces in the region of the metastore only. A view, a row filter or ?workspaces= may hide others.';
