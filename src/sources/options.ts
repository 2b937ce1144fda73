/**
 * Options for sources: where deliveries are read from, and how often they are listed.
 */
import { resolve } from 'node:path';
import { z } from 'zod';
import { printable } from '../runtime/printable.ts';
import { bad, duration, good, type Parsed, variable } from '../runtime/variable.ts';
import { azureVariables } from './azure/index.ts';
import { directoryAt } from './directory/index.ts';
import { gcsVariables } from './gcs/index.ts';
import { isOfKind, type KindName, kindNames, kinds, type LocationOf, type SourceLocation } from './kinds.ts';
import { parseQueues, parseS3Arn } from './s3/index.ts';
import type { Environment, SourceKind } from './source-kind.ts';
import { parseSourceParameters, pollIntervalMinMs } from './source-parameters.ts';
import { databricksVariables } from './table/index.ts';

export type { SourceLocation } from './kinds.ts';
export type { QueueLocation } from './s3/index.ts';

const expectedLocation = `expected ${Object.values(kinds)
  .map(({ form }) => form)
  .join(', ')}`;

const pollIntervalDefaultMs = 60_000;
/** Of buckets with notifications: listings only find what notifications miss. */
export const pollIntervalWithQueueMs = 15 * 60_000;

export const sourceOptions = {
  DATABRICKS_AUDIT_SOURCE: variable(parseSources)
    .transform((locations, context) => {
      if (locations !== undefined) return locations;
      context.addIssue({ code: 'custom', message: expectedLocation });
      return z.NEVER;
    })
    .describe(
      'Required. Where Databricks delivers, separated by commas: `s3://bucket/prefix` (the folder that contains ' +
        '`workspaceId=.../` or `date=.../`), the ARN of a bucket or of an access point with a prefix, `gs://bucket/prefix`, ' +
        '`az://<account>.blob.core.windows.net` (all diagnostic logs of the storage account; see [Azure](azure.md) for containers and other forms), a directory, or a `file://` URL (`%2C` for a comma, `%3F` for a question mark). ' +
        '`databricks://<workspace host>/<warehouse id>` is [the system table](system-table.md), with parameters of its own. ' +
        'A URL may end with parameters for this source: `?poll=5m`, `?mapping=databricks-audit%2C./ours.yaml`.',
    ),
  DATABRICKS_AUDIT_FOLLOW_LINKS: variable((text) => {
    if (text === 'true' || text === 'false') return good(text === 'true');
    return bad('expected true or false');
  })
    .transform((value) => value ?? false)
    .describe('Whether symbolic links out of a directory are followed; links within it always are. Default `false`.'),
  DATABRICKS_AUDIT_POLL_INTERVAL: variable(duration(pollIntervalMinMs, '60s')).describe(
    `Interval between two listings of a source that does not set its own (\`?poll=\`). ${pollIntervalDefaults()} It does not apply to \`databricks://\`, which is listed once an hour; with \`DATABRICKS_AUDIT_QUEUE\`, the default for buckets is \`15m\`.`,
  ),
  DATABRICKS_AUDIT_QUEUE: variable(parseQueues)
    .transform((value) => value ?? [])
    .describe(
      'URLs of SQS queues with notifications of the buckets, separated by commas, so that new objects are found in seconds: from S3 directly, ' +
        'through SNS, or from EventBridge; see [notifications](notifications.md). Listings go on and find what notifications miss.',
    ),
};

/** The variables of the services that hold sources, for the documentation. The services' own libraries read most of them. */
export const serviceVariables: readonly {
  readonly title: string;
  readonly introduction: string;
  readonly variables: Readonly<Record<string, string>>;
}[] = [
  {
    title: 'Azure',
    introduction:
      'For [Azure Blob Storage](azure.md). `AZURE_STORAGE_ACCOUNT` only names an account. Of the others, the first that is set for the account of a source decides how the agent authenticates there.',
    variables: azureVariables,
  },
  {
    title: 'Google Cloud',
    introduction: 'For [Google Cloud Storage](google-cloud.md).',
    variables: gcsVariables,
  },
  {
    title: 'Databricks',
    introduction: "For [the system table](system-table.md): the variables of Databricks' unified authentication.",
    variables: databricksVariables,
  },
];

/** In words. */
function pollIntervalDefaults(): string {
  const others = Object.values(kinds).flatMap(({ scheme, pollIntervalDefaultMs: defaultMs }) =>
    defaultMs === undefined ? [] : [`; for \`${scheme}://\` \`${defaultMs / 60_000}m\``],
  );
  return `Default \`60s\`${others.join('')}.`;
}

/** Reports all problems in the list at once. */
function parseSources(text: string): Parsed<readonly SourceLocation[]> {
  const parsed = text.split(',').map((entry) => parseLocation(entry.trim()));
  const locations = parsed.flatMap((entry) => ('value' in entry ? [entry.value] : []));
  const problems = parsed.flatMap((entry) => ('problem' in entry ? [entry.problem] : []));
  problems.push(...findOverlaps(locations));
  return problems.length === 0 ? good(locations) : bad(problems.join('; '));
}

function parseLocation(entry: string): Parsed<SourceLocation> {
  if (entry === '') return bad(`${expectedLocation} between the commas`);
  if (/\p{Cc}/u.test(entry)) return bad(`${expectedLocation} without control characters`);
  if (quote.test(entry)) return bad(`${expectedLocation} without quotes around it`);
  if (/^arn:/i.test(entry)) {
    const [arn = '', ...query] = entry.split('?');
    const parameters = parseSourceParameters(query.join('?'));
    return 'problem' in parameters ? parameters : parseS3Arn(arn, parameters.value.common);
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(entry)?.[1]?.toLowerCase();
  // A path is used unchanged, including question marks.
  if (scheme === undefined)
    return nearlyUrl.test(entry) ? bad(`${expectedLocation}${nearlyUrlHint(entry)}`) : good(directoryAt(entry));
  const kind = kindNames.map((name) => kinds[name]).find((each) => schemesOf(each).includes(scheme));
  if (kind === undefined) return bad(`${expectedLocation}${otherSchemeHint(scheme)}`);
  const [url = '', ...query] = entry.split('?');
  const parameters = parseSourceParameters(query.join('?'), kind.ownParameters);
  return 'problem' in parameters ? parameters : kind.parse(url, parameters.value.common, parameters.value.own);
}

function schemesOf({
  scheme,
  otherSchemes = [],
}: Pick<SourceKind<never>, 'scheme' | 'otherSchemes'>): readonly string[] {
  return [scheme, ...otherSchemes];
}

/** Unless `?poll=` or the variable sets it. In milliseconds. */
export function pollIntervalDefault({ kind }: SourceLocation): number {
  return kinds[kind].pollIntervalDefaultMs ?? pollIntervalDefaultMs;
}

/** Env files of Docker keep the quotes around a value. */
const quote = /^["'`\u2018-\u201d]|["'`\u2018-\u201d]$/;
/** `s3:/bucket`, `s3//bucket`, `dbfs:/mnt/logs`; with one letter it would be the drive of a path. */
const nearlyUrl = /^([a-z][a-z0-9+.-]+:|s3\/\/)/i;

function nearlyUrlHint(entry: string): string {
  if (/^s3[an]?\b/i.test(entry)) return ` (use s3://${printable(entry.replace(/^s3[an]?:?\/*/i, ''), 100)})`;
  if (/^dbfs:/i.test(entry)) return dbfsHint;
  if (/^file:/i.test(entry)) return ` (use file://${printable(resolve(entry.slice('file:'.length)), 100)})`;
  return ` (for a directory with this name, use ./${printable(entry, 100)})`;
}

const dbfsHint = ' (a dbfs: path exists only in Databricks; use the s3:// location of its bucket)';

function otherSchemeHint(scheme: string): string {
  if (/^wasbs?$|^abfs$/.test(scheme)) {
    return ` (use abfss://<container>@<account>.dfs.core.windows.net/<prefix> instead of ${scheme}://)`;
  }
  if (scheme === 'adl') {
    return ' (Azure Data Lake Storage Gen1 has ended; use abfss://<container>@<account>.dfs.core.windows.net/<prefix>)';
  }
  if (scheme === 'azure' || scheme === 'azblob') return ` (use az:// instead of ${scheme}://)`;
  if (scheme === 'gcs') return ' (use gs:// instead of gcs://)';
  if (scheme === 's3a' || scheme === 's3n') return ` (use s3:// instead of ${scheme}://)`;
  if (scheme === 'dbfs') return dbfsHint;
  if (scheme === 'http') {
    return ' (for an S3-compatible server, use s3:// and set AWS_ENDPOINT_URL_S3 to its http:// address)';
  }
  return ` (${scheme}:// is not supported)`;
}

/**
 * Completes the locations with what the variables of their services say.
 * @returns the problems as well, each beginning with the name of a variable.
 */
export function resolveSources(
  locations: readonly SourceLocation[],
  environment: Environment,
): { readonly sources: readonly SourceLocation[]; readonly problems: readonly string[] } {
  const resolved = locations.map((location) => resolveSource(location, environment));
  const sources = resolved.flatMap((each) => ('value' in each ? [each.value] : []));
  const problems = resolved.flatMap((each) => ('problem' in each ? each.problem.split('\n') : []));
  const overlaps = findOverlaps(sources).map((problem) => `DATABRICKS_AUDIT_SOURCE: ${problem}`);
  return { sources, problems: [...new Set([...problems, ...overlaps])] };
}

/** The names of the variables that these sources read, where a misspelled one can be told from those of other programs. */
export function variablesOf(locations: readonly SourceLocation[]): readonly string[] {
  return [...new Set(locations.flatMap(({ kind }) => kinds[kind].variables ?? []))];
}

function resolveSource<Name extends KindName>(
  location: LocationOf<Name> & { readonly kind: Name },
  environment: Environment,
): Parsed<SourceLocation> {
  return kinds[location.kind].resolve?.(location, environment) ?? good(location);
}

/** Two sources that list the same object would ship it twice. */
function findOverlaps(locations: readonly SourceLocation[]): readonly string[] {
  return locations.flatMap((inner, index) =>
    locations
      .filter((outer, outerIndex) => outerIndex !== index && contains(outer, inner))
      // Equal locations contain each other; report the pair once.
      .filter((outer) => !contains(inner, outer) || locations.indexOf(outer) < index)
      .map((outer) => `expected sources that do not overlap: ${inner.name} is inside ${outer.name}`),
  );
}

function contains<Name extends KindName>(
  outer: LocationOf<Name> & { readonly kind: Name },
  inner: SourceLocation,
): boolean {
  return isOfKind(inner, outer.kind) && kinds[outer.kind].contains(outer, inner);
}
