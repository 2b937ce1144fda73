/**
 * The delivered line: the unit that is shipped exactly once.
 */
import type { ObjectOrigin } from './object.ts';

/** One line of a decoded object, without line ending (LF or CR LF) and byte order mark. Never empty. */
export interface DeliveredLine {
  /** A view of the chunk that it ends in, valid for as long as that. Truncated if the line exceeds the decoder's limit. */
  readonly bytes: Uint8Array;
  /** Of the whole line; more than `bytes.length` if it was truncated. */
  readonly sizeBytes: number;
  /** Where the line ends in the decoded object, line ending included. */
  readonly endOffsetBytes: number;
  /** SHA-256 of the whole line, in hexadecimal. Set only for a truncated line, of which only the decoder sees all bytes. */
  readonly digest: string | undefined;
}

/**
 * A line with everything that its log record is made from. The record is a pure function of this value and the mapping, so
 * a line that is sent again gives the same bytes.
 */
export interface IdentifiedLine {
  readonly bytes: Uint8Array;
  /** Of the whole line; more than `bytes.length` if it was truncated. */
  readonly sizeBytes: number;
  readonly origin: ObjectOrigin;
  /**
   * SHA-256, in lower-case hexadecimal, of the whole line (as sha256sum prints it) or, with `hasOwnIdentity`, of the
   * identity that the source provides.
   */
  readonly digest: string;
  readonly hasOwnIdentity?: boolean | undefined;
  /** 1 for the first line of this digest in the object, 2 for the second, and so on. */
  readonly occurrence: number;
  /** LastModified of the object version in which the agent first saw the line. */
  readonly observedAtMs: number;
}
