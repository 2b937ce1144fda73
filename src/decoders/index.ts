/**
 * The part that turns the bytes of an object into lines.
 */
import type { Decoder } from '../contracts/decoder.ts';
import { decompress } from './decompress.ts';
import { createLineSplitter } from './line-splitter.ts';

/** Databricks caps request parameters near 100 KB; results and error messages have no documented cap. */
const defaultLineBytesMax = 1_048_576;

/**
 * @param options.lineBytesMax how many bytes of one line are kept; a longer line is cut, with size and digest of the whole.
 */
export function createDecoder(options: { readonly lineBytesMax?: number | undefined } = {}): Decoder {
  const lineBytesMax = options.lineBytesMax ?? defaultLineBytesMax;
  return {
    decompress,
    createLineSplitter: (startOffsetBytes) => createLineSplitter(startOffsetBytes, lineBytesMax),
  };
}
