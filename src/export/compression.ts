/**
 * The request body as it goes over the network. Compressing takes a thread of its own, and often more time than all else that
 * is done for a record, so the levels are those at which the processor pays least: the network is seldom what is scarce.
 */
import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import type { OtlpCompression } from './options.ts';

/** The default level, 6, takes twice the time. */
const gzipLevel = 1;
const zstdLevel = 1;

/** Most requests come out smaller: each piece more is another wait for a thread. Node.js takes 16 KiB by default. */
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
