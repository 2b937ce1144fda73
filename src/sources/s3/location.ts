/**
 * `s3://bucket/prefix`: the folder that contains `workspaceId=<id>/` or `date=<yyyy-mm-dd>/`.
 */
import { bucketNameExpected, isBucketName } from '../../runtime/aws/bucket-name.ts';
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import { containsPrefix, insteadOfBucket, pathOf, prefixOf, type StoreLocation } from '../object-store.ts';
import type { SourceParameters } from '../source-parameters.ts';

export interface S3Location extends StoreLocation {
  readonly kind: 's3';
  /** A name, or the ARN of an access point. */
  readonly bucket: string;
}

const accessPoint = /^(arn:aws[a-z-]*:s3:[a-z0-9-]+:\d{12}:accesspoint[/:][a-z0-9-]{3,50})(?:\/(.*))?$/;
const bucketArn = /^arn:aws[a-z-]*:s3:::(.*)$/;

/** True for the ARN of an access point, which S3 takes in place of a bucket name. */
export function isAccessPoint(bucket: string): boolean {
  return accessPoint.test(bucket);
}

/** Takes the ARN of a bucket or of an access point, each with a prefix, as policies write them. */
export function parseS3Arn(arn: string, parameters: SourceParameters): Parsed<S3Location> {
  const [, bucketAndPrefix] = bucketArn.exec(arn) ?? [];
  if (bucketAndPrefix !== undefined) return parseS3Location(`s3://${bucketAndPrefix}`, parameters);
  const [, point, path = ''] = accessPoint.exec(arn) ?? [];
  if (point !== undefined) return parseS3Location(`s3://${point}/${path.replace(/^object\//, '')}`, parameters);
  const hint = arn.endsWith('.mrap') ? ' of one region (Multi-Region Access Points are not supported)' : '';
  return bad(`expected the ARN of a bucket (arn:aws:s3:::bucket/prefix) or of an access point${hint}`);
}

export function parseS3Location(url: string, parameters: SourceParameters): Parsed<S3Location> {
  const [, point, pointPath] = accessPoint.exec(url.replace(/^s3:\/\//i, '')) ?? [];
  const [, bucketName = '', bucketPath = ''] = /^s3:\/\/([^/]*)\/?(.*)$/i.exec(url) ?? [];
  const [bucket, path] = point === undefined ? [bucketName, bucketPath] : [point, pointPath ?? ''];
  if (point === undefined && bucket.startsWith('arn:')) return parseS3Arn(url.slice('s3://'.length), parameters);
  if (point === undefined && !isBucketName(bucket)) {
    return bad(`${bucketNameExpected}${insteadOfBucket(bucket)}`);
  }
  if (path.includes('*'))
    return bad('expected s3://bucket/prefix without wildcards (all workspaces below it are found)');
  const prefix = prefixOf(path);
  return good({
    kind: 's3',
    bucket,
    prefix,
    name: `s3://${bucket}${prefix === '' ? '' : `/${pathOf(prefix)}`}`,
    ...parameters,
  });
}

export function containsS3Location(outer: S3Location, inner: S3Location): boolean {
  return outer.bucket === inner.bucket && containsPrefix(outer.prefix, inner.prefix);
}
