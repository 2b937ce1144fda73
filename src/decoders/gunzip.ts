/**
 * Gzip (RFC 1952), member by member.
 *
 * This module parses the framing and uses node:zlib only to inflate, because `createGunzip` discards the last chunk of output if
 * the checksum is wrong or garbage follows. For a small object that is every line. A damaged object must yield everything that
 * can be decoded before it fails.
 */
import { crc32, createInflateRaw } from 'node:zlib';
import type { ByteReader } from './byte-reader.ts';
import { beginsWith, damaged, garbageFollows, takeAll, truncated } from './damage.ts';
import { Inflater, outputChunkBytes } from './inflater.ts';

/** Section 2.3.1: bits of the FLG byte. */
const flag = { headerChecksum: 0x02, extraField: 0x04, fileName: 0x08, comment: 0x10, reserved: 0xe0 };
const magic = [0x1f, 0x8b];
const headerBytes = 10;
const trailerBytes = 8;
const deflateMethod = 8;

/**
 * zlib discards the output of the call that hits corrupt data. Slices therefore start small, so that a small object still yields
 * most of its lines, and double up to a size at which the number of calls no longer matters.
 */
const firstSliceBytes = 256;
const sliceBytesMax = 16_384;

export function isGzipMagic(firstBytes: Uint8Array): boolean {
  return firstBytes.length >= magic.length && beginsWith(firstBytes, magic);
}

/** Decodes one or more members. Like gzip(1), treats zeros after the last member as padding. */
export async function* gunzip(reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  do {
    await readHeader(reader);
    let checksum = 0;
    let sizeBytes = 0;
    for await (const chunk of inflate(reader)) {
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.length;
      yield chunk;
    }
    await checkTrailer(reader, checksum, sizeBytes);
  } while (await reader.skipZeros());
}

async function readHeader(reader: ByteReader): Promise<void> {
  const header = await reader.take(headerBytes);
  const flags = header[3] ?? 0;
  if (!beginsWith(header, magic)) throw garbageFollows();
  if (header.length < headerBytes) throw truncated();
  if (header[2] !== deflateMethod || flags & flag.reserved)
    throw damaged('the gzip header has unknown flags or an unknown method');
  if (flags & flag.extraField) {
    const extraLength = await takeAll(reader, 2);
    await takeAll(reader, (extraLength[0] ?? 0) + 256 * (extraLength[1] ?? 0));
  }
  if (flags & flag.fileName) await skipZeroTerminated(reader);
  if (flags & flag.comment) await skipZeroTerminated(reader);
  if (flags & flag.headerChecksum) await takeAll(reader, 2);
}

async function skipZeroTerminated(reader: ByteReader): Promise<void> {
  for (;;) {
    const chunk = await reader.next();
    if (chunk === undefined) throw truncated();
    const end = chunk.indexOf(0);
    if (end === -1) continue;
    reader.unread(chunk.subarray(end + 1));
    return;
  }
}

async function checkTrailer(reader: ByteReader, checksum: number, sizeBytes: number): Promise<void> {
  const trailer = await takeAll(reader, trailerBytes);
  const expected = new DataView(trailer.buffer, trailer.byteOffset, trailerBytes);
  if (expected.getUint32(0, true) !== checksum) throw damaged('the checksum does not match the content');
  // ISIZE is the size modulo 2^32.
  if (expected.getUint32(4, true) !== sizeBytes % 2 ** 32) throw damaged('the size does not match the content');
}

/** Decodes one deflate stream and leaves the reader positioned right after it. */
async function* inflate(reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  const inflater = new Inflater(createInflateRaw({ chunkSize: outputChunkBytes }));
  try {
    let sliceBytes = firstSliceBytes;
    while (!inflater.ended) {
      const input = await reader.next();
      if (input === undefined) throw truncated();
      const slice = input.subarray(0, sliceBytes);
      reader.unread(input.subarray(sliceBytes));
      yield* inflater.decode(slice);
      reader.unread(slice.subarray(inflater.consumedBytes));
      sliceBytes = Math.min(sliceBytes * 2, sliceBytesMax);
    }
  } finally {
    inflater.close();
  }
}
