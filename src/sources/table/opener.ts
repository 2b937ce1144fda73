/**
 * Opens buckets by their id, which tells the table and the time; the configured source of the table tells the rest.
 */
import { AgentError } from '../../model/agent-error.ts';
import type { ObjectOpener } from '../source-kind.ts';
import { bucketOf, tableId } from './bucket.ts';
import type { TableLocation } from './location.ts';
import type { Workspace } from './workspace.ts';

/** @param open contacts nothing. */
export function createTableOpener(
  locations: readonly TableLocation[],
  open: (location: TableLocation) => Workspace,
): ObjectOpener {
  let tables: { readonly location: TableLocation; readonly workspace: Workspace }[] | undefined;
  return {
    async open({ origin, version }, signal) {
      tables ??= locations.map((location) => ({ location, workspace: open(location) }));
      const table = tables.find(({ location, workspace }) =>
        origin.id.startsWith(tableId(workspace.host, location.table)),
      );
      if (table === undefined) throw new AgentError('ERR_SOURCE_READ', `No configured source has ${origin.id}`);
      const bucket = bucketOf(origin, table.location.bucketMs);
      return table.workspace.reader.read({ id: origin.id, bucket, version }, signal);
    },
    async close() {
      await Promise.all((tables ?? []).map(({ workspace }) => workspace.close()));
    },
  };
}
