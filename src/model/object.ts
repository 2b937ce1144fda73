/**
 * The delivered object: an S3 object or a file that Databricks writes and overwrites.
 */

/**
 * A URI such as `s3://bucket/key` or `file:///path`; its scheme names the kind of source that can open the object. Stays the
 * same when the object is overwritten.
 */
export type ObjectId = string & { readonly __brand: 'ObjectId' };

/**
 * Identifies one content of an object: two listings that show the same `etag` show the same bytes.
 * For S3 it is the ETag; for a file it is inode, size and modification time in nanoseconds, because an editor or a
 * synchronisation tool may preserve any one of the three.
 */
export interface ObjectVersion {
  readonly etag: string;
  readonly sizeBytes: number;
  /** S3 has a resolution of one second here, so this alone never decides whether an object changed. */
  readonly modifiedAtMs: number;
}

/** Where a line came from, as far as the path says; the same for every version of the object. Plain data. */
export interface ObjectOrigin {
  readonly id: ObjectId;
  /** Last segment of the key or path. */
  readonly fileName: string;
  /** Attributes that name the place in the terms of its kind of source, such as `aws.s3.bucket` and `aws.s3.key`. */
  readonly location: Readonly<Record<string, string>>;
  /** From `workspaceId=<id>/` in the path; `0` is the account level. */
  readonly workspaceId: string | undefined;
  /** From `date=<yyyy-mm-dd>/` in the path. */
  readonly date: string | undefined;
  /** Layers of the mapping that the source names (`?mapping=`), joined by commas; undefined for `DATABRICKS_AUDIT_MAPPING`. */
  readonly mapping?: string | undefined;
}

/** The bytes of one version of an object. A chunk is valid until the next one is requested. */
export interface ObjectContent extends AsyncIterable<Uint8Array> {
  /**
   * For a source whose lines have an identity of their own, such as `event_id`: what identifies the line instead of its
   * bytes. Undefined for a line without one.
   */
  readonly identityOf?: ((line: Uint8Array) => string | undefined) | undefined;
}

/** One version of a delivered object, ready to be read. */
export interface DeliveredObject {
  readonly origin: ObjectOrigin;
  readonly version: ObjectVersion;
  /**
   * True while the object may still be written in place: a last line without a newline, or a compressed stream without its
   * end, may then be incomplete. Objects in S3 appear whole, so for them it is always false.
   */
  readonly growing: boolean;
  /**
   * Opens exactly this version.
   * Rejects, also while it is being read, with an AgentError: ERR_OBJECT_CHANGED or ERR_OBJECT_GONE when the listing is
   * out of date, another ERR_SOURCE_ code when it cannot be read.
   */
  open(signal: AbortSignal): Promise<ObjectContent>;
}
