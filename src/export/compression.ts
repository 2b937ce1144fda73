/**
 * Compresses request bodies. Compression runs on another thread and often takes more CPU time than everything else that is done
 * for a record, so the levels are the cheapest ones: the network is rarely the bottleneck.
 */
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import type { OtlpCompression } from './options.ts';

/** The default level, 6, takes twice as long. */
const gzipLevel = 1;
const zstdLevel = 1;

const minimumChunkSize = 16_384;

/**
 * Requests shrink to a fifth or less, so one chunk holds the result. Each further chunk waits for a thread again, and then all of them are
 * copied into one buffer.
 */
function chunkSizeFor(body: Uint8Array): number {
  return Math.max(minimumChunkSize, body.length >>> 2);
}

const compressGzip = promisify(gzip);
const compressZstd = promisify(zstdCompress);
const zstdParams = { [constants.ZSTD_c_compressionLevel]: zstdLevel };

export async function compress(body: Uint8Array, compression: OtlpCompression): Promise<Uint8Array> {
  switch (compression) {
    case 'none':
      return body;
    case 'gzip':
      return await compressGzip(body, { level: gzipLevel, chunkSize: chunkSizeFor(body) });
    case 'zstd':
      return await compressZstd(body, { params: zstdParams, chunkSize: chunkSizeFor(body) });
  }
}
