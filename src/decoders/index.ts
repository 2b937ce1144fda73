/**
 * Turns the bytes of an object into lines.
 */
import type { Decoder } from '../contracts/decoder.ts';
import { decompress } from './decompress.ts';
import { createLineSplitter } from './line-splitter.ts';

/** Databricks limits request parameters to about 100 KB; results and error messages have no documented limit. */
const defaultLineBytesMax = 1_048_576;

/**
 * @param options.lineBytesMax the most bytes kept of one line. A longer line is truncated and carries the size and digest of the
 *   whole line.
 */
export function createDecoder(options: { readonly lineBytesMax?: number | undefined } = {}): Decoder {
  const lineBytesMax = options.lineBytesMax ?? defaultLineBytesMax;
  return {
    decompress,
    createLineSplitter: (startOffsetBytes) => createLineSplitter(startOffsetBytes, lineBytesMax),
  };
}
