/**
 * Decompresses gzip and passes everything else through.
 */
import { ByteReader } from './byte-reader.ts';
import { gunzip, isGzipMagic } from './gunzip.ts';

/**
 * The decoded bytes of an object. The first bytes decide, not the name: people compress deliveries but keep the `.json` suffix, or
 * the reverse. Errors from `chunks` are rethrown unchanged, and `chunks` is closed if the consumer stops early.
 */
export async function* decompress(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(chunks);
  try {
    const firstBytes = await reader.take(2);
    reader.unread(firstBytes);
    if (isGzipMagic(firstBytes)) {
      yield* gunzip(reader);
    } else {
      for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) yield chunk;
    }
  } finally {
    await reader.close();
  }
}
