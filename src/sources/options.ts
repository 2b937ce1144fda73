/**
 * `DATABRICKS_AUDIT_SOURCE`: where deliveries are read from, and how often.
 */
import { z } from 'zod';
import { bad, duration, good, type Parsed, variable } from '../runtime/variable.ts';
import { directoryAt } from './directory/index.ts';
import { type KindName, kinds, type LocationOf, type SourceLocation } from './kinds.ts';
import { parseSourceParameters, pollIntervalMinMs } from './source-parameters.ts';

const expectedLocation = `expected ${Object.values(kinds)
  .map(({ form }) => form)
  .join(', ')}`;

export const sourceOptions = {
  DATABRICKS_AUDIT_SOURCE: variable(parseSources)
    .transform((locations, context) => {
      if (locations !== undefined) return locations;
      context.addIssue({ code: 'custom', message: expectedLocation });
      return z.NEVER;
    })
    .describe(
      'Required. Where Databricks delivers, separated by commas: `s3://bucket/prefix` (the folder that holds ' +
        '`workspaceId=.../` or `date=.../`), a directory, or a `file://` URL (`%2C` for a comma, `%3F` for a question mark). ' +
        'A URL may end with parameters of this source: `?poll=5m`, `?mapping=databricks-audit%2C./ours.yaml`.',
    ),
  DATABRICKS_AUDIT_FOLLOW_LINKS: variable((text) => {
    if (text === 'true' || text === 'false') return good(text === 'true');
    return bad('expected true or false');
  })
    .transform((value) => value ?? false)
    .describe('Whether symbolic links out of a directory are followed; links within it always are. Default `false`.'),
  DATABRICKS_AUDIT_POLL_INTERVAL: variable(duration(pollIntervalMinMs, '60s'))
    .transform((value) => value ?? 60_000)
    .describe('Time between two listings of a source. Default `60s`.'),
};

/** Reports all problems of the list at once. */
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
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(entry)?.[1]?.toLowerCase();
  // A path is taken as it is, question marks included.
  if (scheme === undefined) return good(directoryAt(entry));
  const kind = Object.values(kinds).find((each) => each.scheme === scheme);
  if (kind === undefined) return bad(`${expectedLocation}${otherSchemeHint(scheme)}`);
  const [url = '', ...query] = entry.split('?');
  const parameters = parseSourceParameters(query.join('?'));
  return 'problem' in parameters ? parameters : kind.parse(url, parameters.value);
}

function otherSchemeHint(scheme: string): string {
  if (scheme === 's3a' || scheme === 's3n') return ` (use s3:// instead of ${scheme}://)`;
  if (scheme === 'http' || scheme === 'https') {
    return ` (for an S3-compatible server, use s3:// and set AWS_ENDPOINT_URL_S3 to its ${scheme}:// address)`;
  }
  return ` (${scheme}:// is not supported)`;
}

/** Two sources that list the same object would ship it twice, under two names. */
function findOverlaps(locations: readonly SourceLocation[]): readonly string[] {
  return locations.flatMap((inner, index) =>
    locations
      .filter((outer, outerIndex) => outerIndex !== index && contains(outer, inner))
      // Equal locations contain each other; report them once.
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

function isOfKind<Name extends KindName>(location: SourceLocation, kind: Name): location is LocationOf<Name> {
  return location.kind === kind;
}
