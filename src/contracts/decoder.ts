/**
 * Contract: from the bytes of an object to its lines.
 */
import type { AgentError } from '../model/agent-error.ts';
import type { DeliveredLine } from '../model/line.ts';

export interface Decoder {
  /**
   * The decoded bytes of the object, in UTF-8: decompressed and transcoded when its first bytes say so, whatever its name says.
   * The bytes of a chunk are valid until the next one is asked for.
   * Rejects with ERR_OBJECT_DAMAGED when a compressed stream is cut or corrupt, after all that could be decoded was yielded,
   * and with ERR_OBJECT_FORMAT when it is in a format that holds no lines, before anything was yielded.
   */
  decompress(chunks: AsyncIterable<Uint8Array>, report?: FormatReport): AsyncIterable<Uint8Array>;
  /** A splitter for decoded bytes that begin at `startOffsetBytes`, which is the beginning of a line. */
  createLineSplitter(startOffsetBytes: number): LineSplitter;
}

/** Told, at most once, when an object is text but not JSON Lines; its lines are yielded all the same. */
export type FormatReport = (fault: AgentError) => void;

/** Cuts decoded bytes into lines; holds at most one line's limit of them. */
export interface LineSplitter {
  /** The lines that end in this chunk, in order; valid until the chunk is changed. */
  push(chunk: Uint8Array): readonly DeliveredLine[];
  /** The last line, when the object does not end with a newline. Its end offset is the end of the object. */
  end(): DeliveredLine | undefined;
}
