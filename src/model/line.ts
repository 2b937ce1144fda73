/**
 * The delivered line: the unit that is shipped exactly once.
 */
import { hash } from 'node:crypto';
import type { ObjectOrigin } from './object.ts';

/** One line of a decoded object, without its line ending (LF or CR LF) and without a byte order mark. Never empty. */
export interface DeliveredLine {
  /** A view of the chunk that it ends in, and valid for as long. Cut to the decoder's limit when the line is longer. */
  readonly bytes: Uint8Array;
  /** Of the whole line; more than `bytes.length` when the line was cut. */
  readonly sizeBytes: number;
  /** Where the line ends in the decoded object, line ending included. */
  readonly endOffsetBytes: number;
  /** SHA-256 of the whole line, in hexadecimal. Set for a cut line only, because nobody else sees all of its bytes. */
  readonly digest: string | undefined;
}

/** SHA-256 of the whole line, in lower-case hexadecimal. */
export function digestOf(line: DeliveredLine): string {
  return line.digest ?? hash('sha256', line.bytes);
}

/**
 * A line with everything that its log record is made from. The record is a pure function of this value and the mapping,
 * so a line that has to be sent again is sent byte for byte the same.
 */
export interface IdentifiedLine {
  readonly bytes: Uint8Array;
  /** Of the whole line; more than `bytes.length` when it was cut. */
  readonly sizeBytes: number;
  readonly origin: ObjectOrigin;
  /** SHA-256 of the whole line, in lower-case hexadecimal, as sha256sum prints it. */
  readonly digest: string;
  /** 1 for the first line with these bytes in the object, 2 for the second, and so on. */
  readonly occurrence: number;
  /** LastModified of the object version in which the agent first met the line. */
  readonly observedAtMs: number;
}
