/**
 * Decompresses and transcodes where needed, and passes everything else through. The first bytes decide, not the name: people compress
 * deliveries but keep the `.json` suffix, or the reverse.
 */
import type { FormatReport } from '../contracts/decoder.ts';
import { ByteReader } from './byte-reader.ts';
import { formatBytesMax, tooManyLayers, unreadableFormat } from './formats.ts';
import { gunzip, isGzipMagic } from './gunzip.ts';
import { TextForm } from './text-form.ts';
import { transcode, wideEncodingOf } from './transcode.ts';
import { isZstdMagic, unzstd } from './unzstd.ts';

/** Two happen by mistake: a tool compresses a compressed file. A crafted stream can even contain itself, endlessly. */
const layersMax = 4;

/**
 * The decoded bytes of an object. Errors from `chunks` are rethrown unchanged, and `chunks` is closed if the consumer stops early.
 * @param report called for text that is not JSON Lines.
 */
export function decompress(
  chunks: AsyncIterable<Uint8Array>,
  report?: FormatReport,
): AsyncGenerator<Uint8Array, void, undefined> {
  return decode(chunks, report, 0);
}

async function* decode(
  chunks: AsyncIterable<Uint8Array>,
  report: FormatReport | undefined,
  layerCount: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(chunks);
  try {
    const firstBytes = await reader.peek(formatBytesMax);
    const unpack = isGzipMagic(firstBytes) ? gunzip : isZstdMagic(firstBytes) ? unzstd : undefined;
    if (unpack !== undefined) {
      if (layerCount === layersMax) throw tooManyLayers(layersMax);
      yield* decode(unpack(reader), report, layerCount + 1);
      return;
    }
    const unreadable = unreadableFormat(firstBytes);
    if (unreadable !== undefined) throw unreadable;
    const encoding = wideEncodingOf(firstBytes);
    const text = new TextForm();
    if (encoding !== undefined) {
      for await (const chunk of transcode(reader, encoding)) {
        if (!text.isDecided) look(text, chunk, report);
        yield chunk;
      }
      return;
    }
    for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
      if (!text.isDecided) look(text, chunk, report);
      yield chunk;
    }
  } finally {
    await reader.close();
  }
}

function look(text: TextForm, chunk: Uint8Array, report: FormatReport | undefined): void {
  text.push(chunk);
  if (text.fault !== undefined) report?.(text.fault);
}
