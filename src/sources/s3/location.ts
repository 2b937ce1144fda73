/**
 * `s3://bucket/prefix`: the folder that contains `workspaceId=<id>/` or `date=<yyyy-mm-dd>/`.
 */
import { printable } from '../../runtime/printable.ts';
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import { readDate, readWorkspaceId } from '../layout.ts';
import type { SourceParameters } from '../source-parameters.ts';

export interface S3Location extends SourceParameters {
  readonly kind: 's3';
  readonly bucket: string;
  /** Empty, or ends with `/`: a prefix consists of whole segments. */
  readonly prefix: string;
  /** `s3://bucket/prefix`, for messages. */
  readonly name: string;
}

/** Bucket names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
export function parseS3Location(url: string, parameters: SourceParameters): Parsed<S3Location> {
  const [, bucket = '', path = ''] = /^s3:\/\/([^/]*)\/*(.*)$/i.exec(url) ?? [];
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket) || bucket.includes('..')) {
    return bad(
      `expected a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens in s3://bucket/prefix, not "${printable(bucket.replace(/^.*@/s, '***@'))}"`,
    );
  }
  if (path.includes('*'))
    return bad('expected s3://bucket/prefix without wildcards (all workspaces below it are found)');
  const folder = path.replace(/\/+$/, '');
  const prefix = folder === '' ? '' : `${folder}/`;
  return good({
    kind: 's3',
    bucket,
    prefix,
    name: `s3://${bucket}${folder === '' ? '' : `/${folder}`}`,
    ...parameters,
  });
}

export function containsS3Location(outer: S3Location, inner: S3Location): boolean {
  if (outer.bucket !== inner.bucket || !inner.prefix.startsWith(outer.prefix)) return false;
  // A listing descends only into workspace and date folders, so any other folder can be a separate source.
  const [segment = ''] = inner.prefix.slice(outer.prefix.length).split('/');
  return segment === '' || readWorkspaceId(segment) !== undefined || readDate(segment) !== undefined;
}
