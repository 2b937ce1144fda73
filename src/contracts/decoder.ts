/**
 * Contract: decodes the bytes of an object into lines.
 */
import type { DeliveredLine } from '../model/line.ts';

export interface Decoder {
  /**
   * The decoded bytes of the object. Its first bytes decide whether it is compressed, not its name.
   * A chunk is valid until the next one is requested.
   * Rejects with ERR_OBJECT_DAMAGED if a compressed stream is truncated or corrupt, after yielding everything that could be
   * decoded.
   */
  decompress(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** @param startOffsetBytes where the first pushed byte is in the decoded object: the start of a line. */
  createLineSplitter(startOffsetBytes: number): LineSplitter;
}

/** Splits decoded bytes into lines. Buffers at most one line, up to the length limit. */
export interface LineSplitter {
  /** The lines that end in this chunk, in order; valid for as long as the chunk. */
  push(chunk: Uint8Array): readonly DeliveredLine[];
  /** The last line, when the object does not end with a newline. Its end offset is the end of the object. */
  end(): DeliveredLine | undefined;
}
