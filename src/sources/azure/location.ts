/**
 * Where Azure delivers: the containers of a storage account that diagnostic settings fill, or one container.
 */
import { printable } from '../../runtime/printable.ts';
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import { containsPrefix, endsInEmptySegment, prefixOf, type StoreLocation } from '../object-store.ts';
import type { SourceParameters } from '../source-parameters.ts';

/** May contain secrets. */
export type BlobCredential =
  | { readonly type: 'sharedKey'; readonly key: string }
  /** A shared access signature, without a question mark. */
  | { readonly type: 'sas'; readonly token: string }
  /** Microsoft Entra ID. */
  | { readonly type: 'identity' };

export interface AzureLocation extends StoreLocation {
  readonly kind: 'azure';
  /** `https://<account>.blob.core.windows.net`; undefined if the location names no account, until it is resolved. */
  readonly endpoint: string | undefined;
  readonly account: string | undefined;
  /** Undefined for all containers of diagnostic settings. */
  readonly container: string | undefined;
  /** Undefined until the location is resolved. */
  readonly credential: BlobCredential | undefined;
}

/** A location whose account is known. */
export interface ResolvedAzureLocation extends AzureLocation {
  readonly endpoint: string;
  readonly account: string;
  readonly credential: BlobCredential;
}

export const azureForm = 'az://<account>.blob.core.windows.net/<container>/<prefix>';
export const azureSchemes = ['https', 'abfss'];

/** Diagnostic settings write each category to a container of its own. */
export const diagnosticsPrefix = 'insights-logs-';

/**
 * The path of a diagnostic log down to its workspace, as Azure Monitor writes it; undefined for a name. Azure compares the parts of a
 * resource id without regard to case.
 * https://learn.microsoft.com/azure/azure-monitor/platform/resource-logs-blob-format
 */
export const resourcePath = [
  'resourceId=',
  'SUBSCRIPTIONS',
  undefined,
  'RESOURCEGROUPS',
  undefined,
  'PROVIDERS',
  'MICROSOFT.DATABRICKS',
  'WORKSPACES',
  undefined,
] as const;

/** True if the container is filled by diagnostic settings; any other has the delivery layout. */
export function isDiagnostics({ container }: Pick<AzureLocation, 'container'>): boolean {
  return container === undefined || container.startsWith(diagnosticsPrefix);
}

export function parseAzureLocation(url: string, parameters: SourceParameters): Parsed<AzureLocation> {
  const [, scheme = '', authority = '', path = ''] = /^([a-z]+):\/\/([^/]*)\/?(.*)$/is.exec(url) ?? [];
  switch (scheme.toLowerCase()) {
    case 'abfss':
      return parseDataLakeUrl(url, authority, path, parameters);
    case 'https': {
      const host = readHost(authority);
      if (host === undefined) {
        return bad(
          `expected the https:// URL of an Azure container, https://<account>.blob.core.windows.net/<container> (for an S3-compatible server, use s3:// and set AWS_ENDPOINT_URL_S3 to its https:// address)`,
        );
      }
      return locationOf(url, host, decodePath(withoutSlashes(path)), parameters);
    }
    default: {
      // A name of a container has no dot, a host has one.
      if (!/[.:@]/.test(authority)) return locationOf(url, undefined, `${authority}/${path}`, parameters);
      const host = readHost(authority);
      if (host !== undefined) return locationOf(url, host, withoutSlashes(path), parameters);
      return bad(`expected the blob endpoint of a storage account in ${azureForm}, not "${shown(authority)}"`);
    }
  }
}

/** `abfss://<container>@<account>.dfs.core.windows.net/<prefix>`, as Hadoop and Spark write it. */
function parseDataLakeUrl(
  url: string,
  authority: string,
  path: string,
  parameters: SourceParameters,
): Parsed<AzureLocation> {
  const [container = '', hostName = ''] = authority.split('@');
  const host = readHost(hostName);
  if (host !== undefined && container !== '') return locationOf(url, host, `${container}/${path}`, parameters);
  return bad(`expected abfss://<container>@<account>.dfs.core.windows.net/<prefix>, not "${printable(url, 100)}"`);
}

interface Host {
  readonly account: string;
  readonly endpoint: string;
}

/** The endpoints of all clouds, of DNS zones and of private links; the Data Lake endpoint of an account has the same blobs. */
function readHost(name: string): Host | undefined {
  const lower = name.toLowerCase();
  const [, account = '', between = '', domain = ''] =
    /^([a-z0-9]{3,24})((?:\.[a-z0-9-]+)?)\.(?:blob|dfs)\.([a-z0-9.-]+)$/.exec(lower) ?? [];
  return account === '' ? undefined : { account, endpoint: `https://${account}${between}.blob.${domain}` };
}

function locationOf(
  url: string,
  host: Host | undefined,
  path: string,
  parameters: SourceParameters,
): Parsed<AzureLocation> {
  const [container = '', ...rest] = path.split('/');
  if (container !== '' && !isContainerName(container)) {
    return bad(
      `expected a container name of 3 to 63 lower-case letters, digits and single hyphens, not "${shown(container)}"`,
    );
  }
  if (host === undefined && container === '') return bad(`expected ${azureForm}, or az://<container>/<prefix>`);
  if (path.includes('*')) return bad(`expected ${azureForm} without wildcards (all workspaces below it are found)`);
  const location = { container: container === '' ? undefined : container };
  const below = rest.join('/');
  const prefix = prefixOf(isDiagnostics(location) ? below.replace(/\/+$/, '') : below);
  if (isDiagnostics(location) && !isResourcePath(prefix.split('/').slice(0, -1))) {
    const expected = resourcePath.map((part) => part ?? '<name>').join('/');
    return bad(`expected a prefix of ${expected} in a container of diagnostic settings`);
  }
  return good({
    kind: 'azure',
    endpoint: host?.endpoint,
    account: host?.account,
    ...location,
    credential: undefined,
    prefix,
    name: endsInEmptySegment(prefix) ? url : url.replace(/\/+$/, ''),
    ...parameters,
  });
}

function isResourcePath(segments: readonly string[]): boolean {
  return segments.length <= resourcePath.length && segments.every((segment, depth) => matchesDepth(segment, depth));
}

/**
 * Whether a folder at this depth can lead to a workspace of Azure Databricks.
 * @param wanted the folder that a prefix names.
 */
export function matchesDepth(folder: string, depth: number, wanted?: string): boolean {
  const expected = wanted ?? resourcePath[depth];
  return expected === undefined ? folder !== '' : folder.toLowerCase() === expected.toLowerCase();
}

/** Between the host and the container. */
function withoutSlashes(path: string): string {
  return path.replace(/^\/+/, '');
}

/** What the portal copies is percent-encoded. */
function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata */
function isContainerName(text: string): boolean {
  return /^[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]$/.test(text);
}

/** Without anything that may be a password. */
function shown(text: string): string {
  return printable(text.replace(/^.*@/s, '***@'), 100);
}

export function containsAzureLocation(outer: AzureLocation, inner: AzureLocation): boolean {
  if (outer.endpoint !== inner.endpoint) return false;
  if (outer.container === undefined) return isDiagnostics(inner);
  if (outer.container !== inner.container) return false;
  if (isDiagnostics(outer)) return inner.prefix.toLowerCase().startsWith(outer.prefix.toLowerCase());
  return containsPrefix(outer.prefix, inner.prefix);
}
