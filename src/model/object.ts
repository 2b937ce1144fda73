/**
 * The delivered object: an S3 object or a file that Databricks writes and overwrites.
 */

/**
 * A URI such as `s3://bucket/key` or `file:///path`. Its scheme identifies the kind of source that can open the object. It
 * does not change when the object is overwritten.
 */
export type ObjectId = string & { readonly __brand: 'ObjectId' };

/**
 * Identifies the content of an object: the same `etag` means the same bytes.
 * For S3 it is the ETag; for a file it is inode, size and modification time in nanoseconds, because an editor or a
 * synchronisation tool may preserve any one of the three.
 */
export interface ObjectVersion {
  readonly etag: string;
  readonly sizeBytes: number;
  /** S3 rounds this to seconds, so it never decides on its own whether an object has changed. */
  readonly modifiedAtMs: number;
}

/** Where a line came from, as far as the path tells; the same for every version of the object. Plain data. */
export interface ObjectOrigin {
  readonly id: ObjectId;
  /** Last segment of the key or path. */
  readonly fileName: string;
  /**
   * Attributes of the kind of source that say where the object is, such as `aws.s3.bucket` and `aws.s3.key`. They become attributes of
   * each record, unless the mapping writes or removes them.
   */
  readonly location: Readonly<Record<string, string>>;
  /** From `workspaceId=<id>/` in the path; `0` is the account level. */
  readonly workspaceId: string | undefined;
  /** That `workspaceId` is the name of the workspace, because the path has no id. A name may consist of digits. */
  readonly hasWorkspaceName?: true | undefined;
  /** From `date=<yyyy-mm-dd>/` in the path. */
  readonly date: string | undefined;
  /** Mapping layers of the source (`?mapping=`), joined by commas; undefined for `DATABRICKS_AUDIT_MAPPING`. */
  readonly mapping?: string | undefined;
}

/** The bytes of one version of an object. A chunk is valid until the next one is requested. */
export interface ObjectContent extends AsyncIterable<Uint8Array> {
  /**
   * For a source whose lines have an identity of their own, such as `event_id`: returns what identifies the line instead of
   * its bytes, or undefined for a line without one.
   */
  readonly identityOf?: ((line: Uint8Array) => string | undefined) | undefined;
  /**
   * For a source that cannot open exactly the listed version: the version that was read, once it was read to the end. It
   * becomes the settled version, so a listing that shows anything else offers the object again.
   */
  readonly readVersion?: (() => ObjectVersion) | undefined;
}

/** One version of a delivered object, ready to be read. */
export interface DeliveredObject {
  readonly origin: ObjectOrigin;
  readonly version: ObjectVersion;
  /**
   * True while the object may still be being written: a last line without a newline, or a compressed stream without an end,
   * is then incomplete. Always false for S3, where objects appear as a whole.
   */
  readonly growing: boolean;
  /** When its newest content was due, if the time of the version is only that of the listing. */
  readonly deliveredAtMs?: number | undefined;
  /**
   * Opens exactly this version; or, with `readVersion`, one that has at least its content.
   * Rejects, also while it is being read, with an AgentError: ERR_OBJECT_CHANGED or ERR_OBJECT_GONE if the listing is out of
   * date, or an ERR_SOURCE_ code if it cannot be read.
   */
  open(signal: AbortSignal): Promise<ObjectContent>;
}
