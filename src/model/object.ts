/**
 * The delivered object: an S3 object or a file that Databricks writes and overwrites.
 */

/** `s3://bucket/key` or `file:///path`. Stays the same when the object is overwritten. */
export type ObjectId = string & { readonly __brand: 'ObjectId' };

/**
 * What one state of an object's content is known by. Two listings that show the same `etag` show the same bytes.
 * An S3 object's tag is its ETag; a file's is inode, size and modification time in nanoseconds, because an editor or a
 * synchronising tool may keep any one of the three.
 */
export interface ObjectVersion {
  readonly etag: string;
  readonly sizeBytes: number;
  /** S3 has a resolution of one second here, so this never decides alone whether an object changed. */
  readonly modifiedAtMs: number;
}

/** Where a line came from, as far as the path tells it; the same for every version of the object. */
export interface ObjectOrigin {
  readonly id: ObjectId;
  /** Last segment of the key or path. */
  readonly fileName: string;
  /** Of an S3 object. */
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** From `workspaceId=<id>/` in the path; `0` is the account level. */
  readonly workspaceId: string | undefined;
  /** From `date=<yyyy-mm-dd>/` in the path. */
  readonly date: string | undefined;
}

/** One version of a delivered object, ready to be read. */
export interface DeliveredObject {
  readonly origin: ObjectOrigin;
  readonly version: ObjectVersion;
  /**
   * True while somebody may still be writing the object in place: a last line without a newline, or a compressed stream
   * without its end, is then not a fact yet. Objects in S3 appear whole, so for them it is always false.
   */
  readonly growing: boolean;
  /**
   * Opens exactly this version. The bytes of a chunk are valid until the next one is asked for.
   * Rejects, also while it is being read, with an AgentError: ERR_OBJECT_CHANGED or ERR_OBJECT_GONE when the listing is
   * out of date, another ERR_SOURCE_ code when it cannot be read.
   */
  open(signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** To be called when another thread has opened this version instead: `growing` depends on it. */
  readonly onOpened?: (() => void) | undefined;
}
