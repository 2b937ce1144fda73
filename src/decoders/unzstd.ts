/**
 * Zstandard (RFC 8878), frame by frame.
 *
 * This module parses the framing and uses node:zlib only to decode blocks: node:zlib does not report a truncated stream, and a
 * damaged object must yield every block that can be decoded before it fails.
 */
import { constants, createZstdDecompress } from 'node:zlib';
import type { ByteReader } from './byte-reader.ts';
import { beginsWith, damaged, garbageFollows, takeAll, truncated } from './damage.ts';
import { Inflater, outputChunkBytes } from './inflater.ts';

const frameMagic = 0xfd2fb528;
/** Section 3.1.2: sixteen magic numbers of frames without data. */
const skippableMagic = 0x184d2a50;
/** Section 3.1.1.1.1: bits of the frame header descriptor. */
const descriptor = { singleSegment: 0x20, checksum: 0x04, dictionary: 0x03 };
const dictionaryIdBytes = [0, 1, 2, 4];
const checksumBytes = 4;
/** Section 3.1.1.2.2. */
const blockType = { runLength: 1, reserved: 3 };

/** What one stream may allocate. `zstd --ultra -20` needs all of it; only `--ultra -21` or `--long` needs more. */
const windowLogMax = 25;

export function isZstdMagic(firstBytes: Uint8Array): boolean {
  if (firstBytes.length < 4) return false;
  const magic = uint32(firstBytes);
  return magic === frameMagic || isSkippable(magic);
}

/** Decodes one or more frames. Treats zeros after the last frame as padding, as for gzip. */
export async function* unzstd(reader: ByteReader): AsyncGenerator<Uint8Array, void, undefined> {
  do {
    const magic = await reader.take(4);
    if (magic.length < 4) throw mayBeMagic(magic) ? truncated() : garbageFollows();
    if (isSkippable(uint32(magic))) await skip(reader, uint32(await takeAll(reader, 4)));
    else if (uint32(magic) === frameMagic) yield* readFrame(reader, magic);
    else throw garbageFollows();
  } while (await reader.skipZeros());
}

async function* readFrame(reader: ByteReader, magic: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  const params = { [constants.ZSTD_d_windowLogMax]: windowLogMax };
  const inflater = new Inflater(createZstdDecompress({ chunkSize: outputChunkBytes, params }));
  try {
    const { bytes, hasChecksum } = await readHeader(reader);
    yield* inflater.decode(Buffer.concat([magic, bytes]));
    for (let isLast = false; !isLast; ) {
      const header = await takeAll(reader, 3);
      const bits = (header[0] ?? 0) | ((header[1] ?? 0) << 8) | ((header[2] ?? 0) << 16);
      isLast = (bits & 1) === 1;
      const type = (bits >> 1) & 3;
      if (type === blockType.reserved) throw damaged('a zstd block has an unknown type');
      yield* inflater.decode(header);
      yield* copy(reader, type === blockType.runLength ? 1 : bits >> 3, inflater);
    }
    if (hasChecksum) yield* copy(reader, checksumBytes, inflater);
  } finally {
    inflater.close();
  }
}

async function readHeader(reader: ByteReader): Promise<{ bytes: Uint8Array; hasChecksum: boolean }> {
  const first = await takeAll(reader, 1);
  const flags = first[0] ?? 0;
  const isSingleSegment = (flags & descriptor.singleSegment) !== 0;
  const sizeFlag = flags >> 6;
  const sizeBytes = sizeFlag === 0 ? Number(isSingleSegment) : 2 ** sizeFlag;
  const windowBytes = isSingleSegment ? 0 : 1;
  const dictionaryBytes = dictionaryIdBytes[flags & descriptor.dictionary] ?? 0;
  const rest = await takeAll(reader, windowBytes + dictionaryBytes + sizeBytes);
  if (!isSingleSegment && 10 + ((rest[0] ?? 0) >> 3) > windowLogMax) throw tooLargeWindow();
  if (dictionaryBytes > 0) throw damaged('it was compressed with a zstd dictionary, which the agent does not have');
  return { bytes: Buffer.concat([first, rest]), hasChecksum: (flags & descriptor.checksum) !== 0 };
}

function tooLargeWindow(): Error {
  return damaged(
    `it needs a zstd window of more than ${2 ** (windowLogMax - 20)} MiB; compress it with zstd -19 or less`,
  );
}

/** Passes on the available part of a truncated block: it may be decodable. */
async function* copy(
  reader: ByteReader,
  countBytes: number,
  inflater: Inflater,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let missingBytes = countBytes; missingBytes > 0; ) {
    const input = await reader.next();
    if (input === undefined) throw truncated();
    const slice = input.subarray(0, missingBytes);
    reader.unread(input.subarray(slice.length));
    yield* inflater.decode(slice);
    missingBytes -= slice.length;
  }
}

async function skip(reader: ByteReader, countBytes: number): Promise<void> {
  for (let missingBytes = countBytes; missingBytes > 0; ) {
    const input = await reader.next();
    if (input === undefined) throw truncated();
    reader.unread(input.subarray(missingBytes));
    missingBytes -= Math.min(missingBytes, input.length);
  }
}

/** Whether the stream ends within a magic number. */
function mayBeMagic(bytes: Uint8Array): boolean {
  const [first = 0, ...others] = bytes;
  const skippable = [first & 0xf0, ...others];
  return (
    beginsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd]) || beginsWith(Uint8Array.from(skippable), [0x50, 0x2a, 0x4d, 0x18])
  );
}

function isSkippable(magic: number): boolean {
  return magic >= skippableMagic && magic <= skippableMagic + 0x0f;
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0, true);
}
