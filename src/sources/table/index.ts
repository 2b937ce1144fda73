/**
 * Audit events in the system table `system.access.audit` of a workspace.
 */
import assert from 'node:assert';
import type { SourceDependencies, SourceKind } from '../source-kind.ts';
import { tableId } from './bucket.ts';
import { inspectTable } from './inspection.ts';
import {
  containsTable,
  parseTableLocation,
  resolveTable,
  type TableLocation,
  tableForm,
  tableParameterNames,
} from './location.ts';
import { createTableOpener } from './opener.ts';
import { variableNames } from './settings.ts';
import { TableSource } from './source.ts';
import { openWorkspace } from './workspace.ts';

export type { TableLocation } from './location.ts';
export { databricksVariables } from './settings.ts';

export const table: SourceKind<TableLocation> = {
  form: tableForm,
  scheme: 'databricks',
  ownParameters: tableParameterNames,
  variables: variableNames,
  parse: parseTableLocation,
  resolve: resolveTable,
  contains: containsTable,
  idsBeginWith: ({ origin, table }) => tableId(hostOf(origin), table),
  createSource: (location, { databricks = {} }) => new TableSource(location, openWorkspace(location, databricks)),
  createOpener: ({ databricks = {} }: SourceDependencies, locations) =>
    createTableOpener(locations, (location) => openWorkspace(location, databricks)),
  async inspect(location, signal, clock) {
    const workspace = openWorkspace(location, { clock });
    try {
      return await inspectTable(location, workspace, signal, clock);
    } finally {
      await workspace.close();
    }
  },
};

/** The configuration resolves every location before anybody asks. */
function hostOf(origin: string | undefined): string {
  assert(origin !== undefined, 'the location is resolved');
  return new URL(origin).host;
}
