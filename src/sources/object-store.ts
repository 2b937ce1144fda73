/**
 * What S3, Azure Blob Storage and Google Cloud Storage have in common: objects under keys, which are listed in the order of the keys. A
 * kind of source implements this for its service, and shares the source that reads the delivery layout.
 */
import { printable } from '../runtime/printable.ts';
import { readDate, readWorkspaceId } from './layout.ts';
import type { SourceParameters } from './source-parameters.ts';

/** One bucket or container. Every call rejects with an AgentError, or with the signal's reason if it aborts. */
export interface ObjectStore<Listed extends ListedObject = ListedObject> {
  /** All pages of a listing; one request per page. */
  list(request: ListRequest, signal: AbortSignal): AsyncIterable<ListedPage<Listed>>;
  /** The bytes of exactly this version. May reject in the middle, but never ends early without an error. */
  read(listed: ListedObject, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  close(): Promise<void>;
}

export interface ListRequest {
  readonly prefix: string;
  /** With `/`, keys are grouped into the folders directly below the prefix. */
  readonly delimiter?: '/' | undefined;
  /** Only keys after this one; whether the key itself is listed differs by service. */
  readonly startAfter?: string | undefined;
}

export interface ListedPage<Listed extends ListedObject = ListedObject> {
  readonly objects: readonly Listed[];
  /** Prefixes, each with a trailing `/`. */
  readonly folders: readonly string[];
}

export interface ListedObject {
  readonly key: string;
  /** Identifies the version; see `ObjectVersion`. */
  readonly etag: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** A folder of an object store, as configured. */
export interface StoreLocation extends SourceParameters {
  /** Empty, or ends with `/`: a prefix consists of whole segments. */
  readonly prefix: string;
  /** Such as `s3://bucket/prefix`, for messages. */
  readonly name: string;
}

/**
 * The prefix that a path in a URL names. Keys may have empty segments, as in `/audit/date=...`, so only the slash that ends the last
 * segment is optional.
 */
export function prefixOf(path: string): string {
  return path === '' || path.endsWith('/') ? path : `${path}/`;
}

/** The opposite: the path without the slash at its end, unless that is the end of an empty segment. */
export function pathOf(prefix: string): string {
  return endsInEmptySegment(prefix) ? prefix : prefix.replace(/\/$/, '');
}

export function endsInEmptySegment(prefix: string): boolean {
  return /(?:^|\/)\/$/.test(prefix);
}

/**
 * Whether a source with the outer prefix lists what one with the inner prefix lists. A listing descends only into workspace and date
 * folders, so any other folder can be a separate source.
 */
export function containsPrefix(outer: string, inner: string): boolean {
  if (!inner.startsWith(outer)) return false;
  const [segment = ''] = inner.slice(outer.length).split('/');
  return inner === outer || readWorkspaceId(segment) !== undefined || readDate(segment) !== undefined;
}

/** For messages, which may be about one of several sources: the invalid name, if there is one, without what may be a password. */
export function insteadOfBucket(name: string): string {
  return name === '' ? '' : `, not "${printable(name.replace(/^.*@/s, '***@'), 100)}"`;
}

export function fileNameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}
