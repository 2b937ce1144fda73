/**
 * Deliveries in Azure Blob Storage.
 */
import assert from 'node:assert';
import type { Source } from '../../contracts/source.ts';
import { systemClock } from '../../runtime/clock.ts';
import type { SourceDependencies, SourceKind } from '../source-kind.ts';
import { createBlobClient } from './client.ts';
import { idPrefix } from './delivered-object.ts';
import { DiagnosticsSource } from './diagnostics-source.ts';
import { inspectAccount } from './inspection.ts';
import { createLayoutSource } from './layout-source.ts';
import {
  type AzureLocation,
  azureForm,
  azureSchemes,
  containsAzureLocation,
  diagnosticsPrefix,
  isDiagnostics,
  parseAzureLocation,
  type ResolvedAzureLocation,
} from './location.ts';
import { createBlobOpener } from './opener.ts';
import { resolveAzureLocation } from './settings.ts';

export type { AzureLocation, BlobCredential } from './location.ts';
export { azureVariables } from './settings.ts';

export const azure: SourceKind<AzureLocation> = {
  form: azureForm,
  scheme: 'az',
  otherSchemes: azureSchemes,
  // Azure Monitor writes in intervals of minutes, and each poll costs a request for each category and workspace.
  pollIntervalDefaultMs: 5 * 60_000,
  parse: parseAzureLocation,
  resolve: resolveAzureLocation,
  contains: containsAzureLocation,
  idsBeginWith,
  createSource,
  createOpener: (_, locations) => createBlobOpener(locations.map(resolved), createBlobClient),
  inspect: (location, signal, clock) => inspectAccount(resolved(location), signal, clock),
};

function createSource(
  location: AzureLocation & { readonly pollIntervalMs: number },
  { stillAfterPolls, clock = systemClock }: SourceDependencies,
): Source {
  const { pollIntervalMs, container } = location;
  const account = resolved(location);
  const blobs = createBlobClient(account, clock);
  if (container === undefined || isDiagnostics(location)) {
    return new DiagnosticsSource({ ...account, pollIntervalMs }, { blobs, clock, stillAfterPolls });
  }
  return createLayoutSource({ ...account, pollIntervalMs, container }, blobs, stillAfterPolls);
}

function idsBeginWith(location: AzureLocation): string {
  const { container, prefix } = location;
  const account = idPrefix(resolved(location));
  if (container === undefined) return `${account}${diagnosticsPrefix}`;
  // Azure compares the parts of a resource id without regard to case.
  return `${account}${container}/${isDiagnostics(location) ? prefix.toLowerCase() : prefix}`;
}

/** The configuration resolves every location before a source is created. */
function resolved(location: AzureLocation): ResolvedAzureLocation {
  const { endpoint, account, credential } = location;
  assert(endpoint !== undefined && account !== undefined && credential !== undefined, 'the location is not resolved');
  return { ...location, endpoint, account, credential };
}
