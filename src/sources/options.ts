/**
 * `DATABRICKS_AUDIT_SOURCE`: where to read deliveries from.
 */
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { printable } from '../runtime/printable.ts';
import { bad, duration, good, type Parsed, variable } from '../runtime/variable.ts';
import { readDate, readWorkspaceId } from './layout.ts';

export type SourceLocation = S3Location | DirectoryLocation;

export interface S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  /** Empty or ending in `/`: a prefix consists of whole path segments. */
  readonly prefix: string;
  /** `s3://bucket/prefix`, for messages. */
  readonly name: string;
}

export interface DirectoryLocation {
  readonly kind: 'directory';
  /** Absolute; a directory or one file. */
  readonly path: string;
  readonly name: string;
}

const expectedLocation = 'expected s3://bucket/prefix, a directory or a file:// URL';

export const sourceOptions = {
  DATABRICKS_AUDIT_SOURCE: variable(parseSources)
    .transform((locations, context) => {
      if (locations !== undefined) return locations;
      context.addIssue({ code: 'custom', message: expectedLocation });
      return z.NEVER;
    })
    .describe(
      'Required. Comma-separated list of the locations to which Databricks delivers: `s3://bucket/prefix` (the folder that contains ' +
        '`workspaceId=.../` or `date=.../`), a directory, or a `file://` URL (write a comma in its path as `%2C`).',
    ),
  DATABRICKS_AUDIT_POLL_INTERVAL: variable(duration(1000, '60s'))
    .transform((value) => value ?? 60_000)
    .describe('Interval between two listings. Default `60s`.'),
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
  if (scheme === undefined) return good({ kind: 'directory', path: resolve(entry), name: entry });
  if (scheme === 'file') return parseFileUrl(entry);
  if (scheme === 's3') return parseS3(entry);
  return bad(`${expectedLocation}${otherSchemeHint(scheme)}`);
}

function otherSchemeHint(scheme: string): string {
  if (scheme === 's3a' || scheme === 's3n') return ` (use s3:// instead of ${scheme}://)`;
  if (scheme === 'http' || scheme === 'https') {
    return ` (for an S3-compatible server, use s3:// and set AWS_ENDPOINT_URL_S3 to its ${scheme}:// address)`;
  }
  return ` (${scheme}:// is not supported)`;
}

function parseFileUrl(entry: string): Parsed<DirectoryLocation> {
  try {
    return good({ kind: 'directory', path: resolve(fileURLToPath(entry)), name: entry });
  } catch {
    return bad('expected a file:// URL with an absolute path, such as file:///var/audit-logs');
  }
}

/** Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
function parseS3(entry: string): Parsed<S3Location> {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/*(.*)$/i.exec(entry) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..')) {
    return bad(
      `expected a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens in s3://bucket/prefix, not "${printable(bucket.replace(/^.*@/s, '***@'))}"`,
    );
  }
  if (/[*?]/.test(path))
    return bad('expected s3://bucket/prefix without wildcards (workspaces below the prefix are found automatically)');
  const folder = path.replace(/\/+$/, '');
  const prefix = folder === '' ? '' : `${folder}/`;
  return good({ kind: 's3', bucket, prefix, name: `s3://${bucket}${folder === '' ? '' : `/${folder}`}` });
}

/** If two sources contained the same object, it would be shipped twice, under two names. */
function findOverlaps(locations: readonly SourceLocation[]): readonly string[] {
  return locations.flatMap((inner, index) =>
    locations
      .filter((outer, outerIndex) => outerIndex !== index && contains(outer, inner))
      // Equal locations contain each other; report them once.
      .filter((outer) => !contains(inner, outer) || locations.indexOf(outer) < index)
      .map((outer) => `expected sources that do not overlap: ${inner.name} is inside ${outer.name}`),
  );
}

function contains(outer: SourceLocation, inner: SourceLocation): boolean {
  if (outer.kind === 's3' && inner.kind === 's3') {
    if (outer.bucket !== inner.bucket || !inner.prefix.startsWith(outer.prefix)) return false;
    // A listing descends only into workspace and date folders, so any other folder may be a separate source.
    const [segment = ''] = inner.prefix.slice(outer.prefix.length).split('/');
    return segment === '' || readWorkspaceId(segment) !== undefined || readDate(segment) !== undefined;
  }
  if (outer.kind === 'directory' && inner.kind === 'directory') {
    const path = relative(outer.path, inner.path);
    return path === '' || (!isAbsolute(path) && path !== '..' && !path.startsWith(`..${sep}`));
  }
  return false;
}
