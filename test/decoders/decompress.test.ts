import { constants, createGzip, gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDecoder } from '../../src/decoders/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';

const lines = Buffer.from(
  Array.from({ length: 2_000 }, (_, n) => `{"line":${n},"noise":"${(n * 7919) % 4799}"}\n`).join(''),
);

/** Complete blocks, followed by a block of an invalid type (RFC 1951 section 3.2.3). */
const corrupt = concat(gzipSync(lines, { finishFlush: constants.Z_FULL_FLUSH }), Buffer.alloc(100, 0x07));

describe('decompress', () => {
  test.each([
    ['plain bytes', lines, lines],
    ['nothing', Buffer.alloc(0), Buffer.alloc(0)],
    ['one byte', Buffer.from([0x1f]), Buffer.from([0x1f])],
    ['gzip', gzipSync(lines), lines],
    ['gzip of nothing', gzipSync(''), Buffer.alloc(0)],
    ['concatenated members', Buffer.concat([gzipSync(lines), gzipSync(''), gzipSync('tail')]), concat(lines, 'tail')],
    ['zeros as padding', Buffer.concat([gzipSync(lines), Buffer.alloc(512)]), lines],
    ['a header with all optional fields', withAllHeaderFields(gzipSync(lines)), lines],
  ])('decodes %s, whatever the chunk size', async (_, input, expected) => {
    for (const chunkBytes of [1, 7, 4_096, 1_000_000]) {
      expect(await decodeAll(cut(input, chunkBytes))).toEqual({ bytes: expected, error: undefined });
    }
  });

  test.each([
    [
      'is truncated in the data',
      (whole: Buffer) => whole.subarray(0, whole.length - 100),
      /truncated/,
      lines.length * 0.95,
    ],
    ['is truncated in the trailer', (whole: Buffer) => whole.subarray(0, whole.length - 3), /truncated/, lines.length],
    ['is truncated in the header', (whole: Buffer) => whole.subarray(0, 5), /truncated/, 0],
    [
      'is truncated in a second header',
      (whole: Buffer) => concat(whole, whole.subarray(0, 5)),
      /truncated/,
      lines.length,
    ],
    ['is followed by garbage', (whole: Buffer) => concat(whole, 'garbage behind it'), /garbage/, lines.length],
    ['has a wrong checksum', (whole: Buffer) => flip(whole, whole.length - 8), /checksum/, lines.length],
    ['has a wrong size', (whole: Buffer) => flip(whole, whole.length - 4), /size/, lines.length],
    ['is corrupt in the middle', () => corrupt, /corrupt/, lines.length / 4],
  ])(
    'yields everything that can be decoded from a stream that %s, then throws',
    async (_, damage, message, bytesMin) => {
      for (const chunkBytes of [100, 1_000_000]) {
        const { bytes, error } = await decodeAll(cut(damage(gzipSync(lines)), chunkBytes));
        expect(error).toMatchObject({ code: 'ERR_OBJECT_DAMAGED', message: expect.stringMatching(message) });
        expect(bytes.length).toBeGreaterThanOrEqual(bytesMin);
        expect(lines.subarray(0, Math.min(bytes.length, bytesMin)).equals(bytes.subarray(0, bytesMin))).toBe(true);
      }
    },
  );

  test('yields everything before the end of a truncated stream that zlib can decode', async () => {
    const whole = gzipSync(lines);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 10, max: whole.length - 1 }),
        fc.integer({ min: 1, max: 5_000 }),
        async (length, chunkBytes) => {
          const input = whole.subarray(0, length);
          const { bytes } = await decodeAll(cut(input, chunkBytes));
          expect(bytes.equals(gunzipSync(input, { finishFlush: constants.Z_SYNC_FLUSH }))).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  test('streams a decompression bomb of 1 GiB in little memory', async () => {
    const compressed = createGzip({ level: 1 });
    const zeros = Buffer.alloc(1_048_576);
    void (async () => {
      for (let index = 0; index < 1_024; index++) {
        if (!compressed.write(zeros)) await new Promise((resolve) => compressed.once('drain', resolve));
      }
      compressed.end();
    })();
    let sizeBytes = 0;
    let peakBytes = 0;
    const startBytes = process.memoryUsage().rss;
    for await (const chunk of createDecoder().decompress(compressed)) {
      sizeBytes += chunk.length;
      if (sizeBytes % 67_108_864 < 65_536) peakBytes = Math.max(peakBytes, process.memoryUsage().rss - startBytes);
    }
    expect(sizeBytes).toBe(1_073_741_824);
    expect(peakBytes).toBeLessThan(150_000_000);
  });

  test('decodes no further than the consumer reads', async () => {
    let takenChunks = 0;
    const compressed = gzipSync(Buffer.alloc(200_000_000, 'abc'), { level: 1 });
    async function* input() {
      for (const chunk of cut(compressed, 65_536)) {
        takenChunks++;
        yield chunk;
      }
    }
    const decoded = createDecoder().decompress(input());
    await decoded[Symbol.asyncIterator]().next();
    expect(takenChunks).toBe(1);
  });

  test.each([
    ['plain bytes', Buffer.alloc(100)],
    ['gzip', gzipSync(lines)],
  ])('closes the input when the consumer of %s stops early', async (_, input) => {
    let closed = false;
    async function* chunks() {
      try {
        yield* cut(input, 50);
      } finally {
        closed = true;
      }
    }
    for await (const _chunk of createDecoder().decompress(chunks())) break;
    expect(closed).toBe(true);
  });

  test.each([
    ['plain bytes', Buffer.alloc(100)],
    ['gzip', gzipSync(lines)],
  ])('rethrows an error of the input unchanged after %s', async (_, input) => {
    const failure = new AgentError('ERR_SOURCE_READ', 'connection lost');
    async function* chunks() {
      yield input.subarray(0, 60);
      throw failure;
    }
    expect((await decodeAll(chunks())).error).toBe(failure);
  });
});

async function decodeAll(chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[]) {
  const decoded: Uint8Array[] = [];
  let error: unknown;
  try {
    for await (const chunk of createDecoder().decompress(toAsync(chunks))) decoded.push(chunk);
  } catch (thrown) {
    error = thrown;
  }
  return { bytes: Buffer.concat(decoded), error };
}

async function* toAsync(chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function cut(bytes: Buffer, chunkBytes: number): readonly Buffer[] {
  const count = Math.ceil(bytes.length / chunkBytes);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes));
}

function concat(...parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function flip(bytes: Buffer, offset: number): Buffer {
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(offset) ^ 0xff, offset);
  return flipped;
}

function withAllHeaderFields(gzip: Buffer): Buffer {
  const header = Buffer.from(gzip.subarray(0, 10));
  header.writeUInt8(0x02 | 0x04 | 0x08 | 0x10, 3);
  return concat(
    header,
    Buffer.from([3, 0]),
    'ext',
    'name.json\0',
    'a comment\0',
    Buffer.from([0, 0]),
    gzip.subarray(10),
  );
}
