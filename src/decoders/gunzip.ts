/**
 * Gzip (RFC 1952), member by member.
 *
 * This module parses the framing and uses node:zlib only to inflate, because `createGunzip` discards the last chunk of output if
 * the checksum is wrong or garbage follows. For a small object that is every line. A damaged object must yield everything that
 * can be decoded before it fails.
 */
import { crc32, createInflateRaw, type InflateRaw } from 'node:zlib';
import { AgentError, messageOf } from '../model/agent-error.ts';
import type { ByteReader } from './byte-reader.ts';

/** Section 2.3.1: bits of the FLG byte. */
const flag = { headerChecksum: 0x02, extraField: 0x04, fileName: 0x08, comment: 0x10, reserved: 0xe0 };
const headerBytes = 10;
const trailerBytes = 8;
const deflateMethod = 8;

/**
 * zlib discards the output of the call that hits corrupt data. Slices therefore start small, so that a small object still yields
 * most of its lines, and double up to a size at which the number of calls no longer matters.
 */
const firstSliceBytes = 256;
const sliceBytesMax = 16_384;
const outputChunkBytes = 65_536;

export function isGzipMagic(firstBytes: Uint8Array): boolean {
  return firstBytes[0] === 0x1f && firstBytes[1] === 0x8b;
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
  } while (await hasAnotherMember(reader));
}

async function readHeader(reader: ByteReader): Promise<void> {
  const header = await takeAll(reader, headerBytes);
  const flags = header[3] ?? 0;
  if (!isGzipMagic(header)) throw damaged('garbage follows the compressed data');
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

async function hasAnotherMember(reader: ByteReader): Promise<boolean> {
  for (;;) {
    const chunk = await reader.next();
    if (chunk === undefined) return false;
    const start = chunk.findIndex((byte) => byte !== 0);
    if (start === -1) continue;
    reader.unread(chunk.subarray(start));
    return true;
  }
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

/** Feeds zlib one slice at a time and yields output as it becomes available. */
class Inflater {
  readonly #zlib: InflateRaw;
  #error: Error | undefined;
  #wake: () => void = () => {};
  /** True once the last byte of the deflate stream has been decoded. */
  ended = false;
  /** How many bytes of the last slice belong to the stream: all of them, except in the slice where the stream ends. */
  consumedBytes = 0;

  constructor(zlib: InflateRaw) {
    this.#zlib = zlib;
    zlib.on('readable', () => this.#wake());
    zlib.on('end', () => {
      this.ended = true;
      this.#wake();
    });
    zlib.on('error', (error) => {
      this.#error = error;
      this.#wake();
    });
  }

  async *decode(slice: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const bytesBefore = this.#zlib.bytesWritten;
    let written = false;
    // Not called if the stream ends within the slice; zlib emits 'end' instead.
    this.#zlib.write(slice, () => {
      written = true;
      this.#wake();
    });
    for (;;) {
      const output: Uint8Array | null = this.#zlib.read();
      if (output !== null) yield output;
      else if (this.#error !== undefined) throw damaged(`the compressed data is corrupt (${messageOf(this.#error)})`);
      else if (written || this.ended) break;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    this.consumedBytes = this.#zlib.bytesWritten - bytesBefore;
  }

  close(): void {
    this.#zlib.destroy();
  }
}

async function takeAll(reader: ByteReader, countBytes: number): Promise<Uint8Array> {
  const bytes = await reader.take(countBytes);
  if (bytes.length < countBytes) throw truncated();
  return bytes;
}

function truncated(): AgentError {
  return damaged('the compressed data is truncated');
}

function damaged(what: string): AgentError {
  return new AgentError('ERR_OBJECT_DAMAGED', `Could not decompress the whole object: ${what}`, {
    hint: 'Deliver the object again. The lines before the damage have been shipped.',
  });
}
