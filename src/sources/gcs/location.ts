/**
 * `gs://bucket/prefix`: the folder that contains `workspaceId=<id>/` or `date=<yyyy-mm-dd>/`.
 */
import { bad, good, type Parsed } from '../../runtime/variable.ts';
import { containsPrefix, insteadOfBucket, pathOf, prefixOf, type StoreLocation } from '../object-store.ts';
import type { Environment } from '../source-kind.ts';
import type { SourceParameters } from '../source-parameters.ts';

export interface GcsLocation extends StoreLocation {
  readonly kind: 'gcs';
  readonly bucket: string;
  /** The URL of an emulator, which needs no credentials; undefined for Google. */
  readonly emulator: string | undefined;
}

/** By variable: its meaning, for the documentation. */
export const gcsVariables = {
  GOOGLE_APPLICATION_CREDENTIALS:
    'A file with credentials: a key of a service account, or the configuration of a workload identity federation. Without it, the service account of the machine or of the workload (GKE) is used, or what `gcloud auth application-default login` stored.',
  STORAGE_EMULATOR_HOST: 'The URL of an emulator, such as `http://127.0.0.1:4443`. Nothing authenticates there.',
} as const;

export function parseGcsLocation(url: string, parameters: SourceParameters): Parsed<GcsLocation> {
  const [, bucket = '', path = ''] = /^gs:\/\/([^/]*)\/?(.*)$/i.exec(url) ?? [];
  if (!isBucketName(bucket)) {
    return bad(
      `expected a bucket name of at least 3 lower-case letters, digits, hyphens, underscores and dots in gs://bucket/prefix${insteadOfBucket(bucket)}`,
    );
  }
  if (path.includes('*'))
    return bad('expected gs://bucket/prefix without wildcards (all workspaces below it are found)');
  const prefix = prefixOf(path);
  return good({
    kind: 'gcs',
    bucket,
    emulator: undefined,
    prefix,
    name: `gs://${bucket}${prefix === '' ? '' : `/${pathOf(prefix)}`}`,
    ...parameters,
  });
}

export function resolveGcsLocation(location: GcsLocation, environment: Environment): Parsed<GcsLocation> {
  const text = environment.STORAGE_EMULATOR_HOST?.trim() ?? '';
  if (text === '') return good(location);
  // Google's libraries take a host without a scheme as well.
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return bad('STORAGE_EMULATOR_HOST: expected the URL of an emulator such as http://127.0.0.1:4443');
  }
  return good({ ...location, emulator: url.origin });
}

export function containsGcsLocation(outer: GcsLocation, inner: GcsLocation): boolean {
  return outer.bucket === inner.bucket && containsPrefix(outer.prefix, inner.prefix);
}

/** https://cloud.google.com/storage/docs/buckets#naming */
function isBucketName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/.test(text) && !text.includes('..');
}
