/**
 * `DATABRICKS_AUDIT_DEAD_LETTERS`: a directory, or a folder of a bucket.
 */
import { bucketNameExpected, isBucketName } from '../../runtime/aws/bucket-name.ts';
import { printable } from '../../runtime/printable.ts';
import { bad, good, type Parsed } from '../../runtime/variable.ts';

export type DeadLetterLocation = DeadLetterDirectory | DeadLetterBucket;

export interface DeadLetterDirectory {
  readonly kind: 'directory';
  readonly path: string;
  /** As configured, for messages. */
  readonly name: string;
}

export interface DeadLetterBucket {
  readonly kind: 's3';
  readonly bucket: string;
  /** Empty, or ends with `/`. */
  readonly prefix: string;
  /** `s3://bucket/prefix`, for messages. */
  readonly name: string;
}

export function parseDeadLetterLocation(text: string): Parsed<DeadLetterLocation> {
  // In a container, a directory with this name would be lost with it.
  if (/^arn:/i.test(text)) return bad(`expected a directory, or s3://bucket/prefix instead of an ARN${arnHint(text)}`);
  if (!/^(s3:|[a-z][a-z0-9+.-]*:\/\/)/i.test(text)) return good(deadLetterDirectory(text));
  const [, bucket, path = ''] = /^s3:\/\/([^/?#]*)(?:\/+([^?#]*))?$/i.exec(text) ?? [];
  if (bucket === undefined) return bad('expected a directory, or s3://bucket/prefix without parameters');
  if (!isBucketName(bucket)) return bad(bucketNameExpected);
  const folder = path.replace(/\/+$/, '');
  return good({
    kind: 's3',
    bucket,
    prefix: folder === '' ? '' : `${folder}/`,
    name: `s3://${bucket}${folder === '' ? '' : `/${folder}`}`,
  });
}

function arnHint(arn: string): string {
  if (/^arn:[^:]*:s3:[^:]*:[^:]*:accesspoint\b/i.test(arn)) return ' (use s3:// and the alias of the access point)';
  const place = /^arn:[^:]*:s3:::([^/?#*]+(?:\/[^?#*]*)?)$/i.exec(arn)?.[1];
  return place === undefined ? '' : ` (use s3://${printable(place, 100)})`;
}

export function deadLetterDirectory(path: string): DeadLetterDirectory {
  return { kind: 'directory', path, name: path };
}
