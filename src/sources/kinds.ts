/**
 * The registry of source kinds, by name.
 */
import { type AzureLocation, azure } from './azure/index.ts';
import { type DirectoryLocation, directory } from './directory/index.ts';
import { type GcsLocation, gcs } from './gcs/index.ts';
import { type S3Location, s3 } from './s3/index.ts';
import type { SourceKind } from './source-kind.ts';
import { type TableLocation, table } from './table/index.ts';

export type SourceLocation = S3Location | AzureLocation | GcsLocation | DirectoryLocation | TableLocation;
export type KindName = SourceLocation['kind'];
export type LocationOf<Name extends KindName> = Extract<SourceLocation, { readonly kind: Name }>;

export const kinds: { readonly [Name in KindName]: SourceKind<LocationOf<Name>> } = {
  s3,
  azure,
  gcs,
  directory,
  table,
};

export const kindNames = Object.keys(kinds) as readonly KindName[];

export function isOfKind<Name extends KindName>(location: SourceLocation, kind: Name): location is LocationOf<Name> {
  return location.kind === kind;
}
