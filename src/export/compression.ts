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

/** Large enough for most compressed requests: each further chunk waits for a thread again. Node.js defaults to 16 KiB. */
const chunkSize = 131_072;

const compressGzip = promisify(gzip);
const compressZstd = promisify(zstdCompress);
const gzipOptions = { level: gzipLevel, chunkSize };
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: zstdLevel }, chunkSize };

export async function compress(body: Uint8Array, compression: OtlpCompression): Promise<Uint8Array> {
  switch (compression) {
    case 'none':
      return body;
    case 'gzip':
      return await compressGzip(body, gzipOptions);
    case 'zstd':
      return await compressZstd(body, zstdOptions);
  }
}
