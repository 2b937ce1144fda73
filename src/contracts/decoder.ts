/**
 * Contract: decodes the bytes of an object into lines.
 */
import type { AgentError } from '../model/agent-error.ts';
import type { DeliveredLine } from '../model/line.ts';

export interface Decoder {
  /**
   * The decoded bytes of the object, in UTF-8. Its first bytes decide whether it is decompressed and transcoded, not its name.
   * A chunk is valid until the next one is requested.
   * Rejects with ERR_OBJECT_DAMAGED if a compressed stream is truncated or corrupt, after yielding everything that could be
   * decoded, and with ERR_OBJECT_FORMAT if the object is in a format without lines, before yielding anything.
   */
  decompress(chunks: AsyncIterable<Uint8Array>, report?: FormatReport): AsyncIterable<Uint8Array>;
  /** @param startOffsetBytes where the first pushed byte is in the decoded object: the start of a line. */
  createLineSplitter(startOffsetBytes: number): LineSplitter;
}

/** Called at most once, when an object is text but not JSON Lines. Its lines are yielded all the same. */
export type FormatReport = (fault: AgentError) => void;

/** Splits decoded bytes into lines. Buffers at most one line, up to the length limit. */
export interface LineSplitter {
  /** The lines that end in this chunk, in order; valid for as long as the chunk. */
  push(chunk: Uint8Array): readonly DeliveredLine[];
  /** The last line, when the object does not end with a newline. Its end offset is the end of the object. */
  end(): DeliveredLine | undefined;
}
