import type { Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress, gunzipSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createDecoder } from '../../src/decoders/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { fc } from '../support/property-tests.ts';

const lines = Buffer.from(
  Array.from({ length: 2_000 }, (_, n) => `{"line":${n},"noise":"${(n * 7919) % 4799}"}\n`).join(''),
);

/** Complete blocks, followed by a block of an invalid type (RFC 1951 section 3.2.3). */
const corrupt = concat(gzipSync(lines, { finishFlush: constants.Z_FULL_FLUSH }), Buffer.alloc(100, 0x07));

const text = '{"name":"zoë 😀"}\r\n{"secret":"dapi"}\n';
const zstd = zstdCompressSync(lines);
const checkedZstd = zstdCompressSync(lines, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
/** Section 3.1.2 of RFC 8878, as pzstd and seekable zstd write them. */
const skippable = concat(Buffer.from('522a4d18', 'hex'), Buffer.from([5, 0, 0, 0]), 'index');

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
    ['zstd', zstd, lines],
    ['zstd of nothing', zstdCompressSync(''), Buffer.alloc(0)],
    ['zstd with checksums', checkedZstd, lines],
    ['frames of zstd in a row', concat(zstd, skippable, zstdCompressSync('tail')), concat(lines, 'tail')],
    ['zstd behind a skippable frame', concat(skippable, zstd, Buffer.alloc(9)), lines],
    ['gzip in gzip', gzipSync(gzipSync(text)), Buffer.from(text)],
    ['zstd in gzip', gzipSync(zstdCompressSync(text)), Buffer.from(text)],
    ['gzip in zstd in gzip in gzip', gzipSync(gzipSync(zstdCompressSync(gzipSync(text)))), Buffer.from(text)],
    ['UTF-16, little-endian, with a byte order mark', utf16(`\ufeff${text}`), Buffer.from(text)],
    ['UTF-16, big-endian, with a byte order mark', utf16(`\ufeff${text}`).swap16(), Buffer.from(text)],
    ['UTF-16, little-endian, without a mark', utf16(text), Buffer.from(text)],
    ['UTF-16, big-endian, without a mark', utf16(text).swap16(), Buffer.from(text)],
    ['UTF-32, little-endian, with a byte order mark', utf32(`\ufeff${text}`), Buffer.from(text)],
    ['UTF-32, big-endian, with a byte order mark', utf32(`\ufeff${text}`).swap32(), Buffer.from(text)],
    ['UTF-32, little-endian, without a mark', utf32(text), Buffer.from(text)],
    ['UTF-32, big-endian, without a mark', utf32(text).swap32(), Buffer.from(text)],
    ['UTF-16 in gzip', gzipSync(utf16(`\ufeff${text}`)), Buffer.from(text)],
    ['UTF-16 that ends within a character', concat(utf16('\ufeffab'), Buffer.of(0x63)), Buffer.from('ab\ufffd')],
    ['UTF-32 that is not valid', concat(utf32('\ufeffa'), Buffer.of(0, 0, 0, 9, 1)), Buffer.from('a\ufffd\ufffd')],
    ['UTF-8 with a byte order mark', Buffer.from(`\ufeff${text}`), Buffer.from(`\ufeff${text}`)],
    ['NULs and then text', Buffer.from(`\0\0\0${text}`), Buffer.from(`\0\0\0${text}`)],
  ])('decodes %s, whatever the chunk size', async (_, input, expected) => {
    for (const chunkBytes of [1, 7, 4_096, 1_000_000]) {
      expect(await decodeAll(cut(input, chunkBytes))).toMatchObject({ bytes: expected, error: undefined });
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
    ['is followed by little garbage', (whole: Buffer) => concat(whole, 'garbage'), /garbage/, lines.length],
    ['ends within the first bytes of a header', (whole: Buffer) => concat(whole, '\x1f'), /truncated/, lines.length],
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

  test.each([
    ['is truncated in a block', (whole: Buffer) => whole.subarray(0, whole.length - 1_000), /truncated/],
    ['is truncated in its checksum', (whole: Buffer) => whole.subarray(0, whole.length - 1), /truncated/],
    ['is truncated in its header', (whole: Buffer) => whole.subarray(0, 5), /truncated/],
    ['is followed by garbage', (whole: Buffer) => concat(whole, 'garbage behind it'), /garbage/],
    ['is followed by little garbage', (whole: Buffer) => concat(whole, 'gar'), /garbage/],
    ['ends within the first bytes of a frame', (whole: Buffer) => concat(whole, whole.subarray(0, 3)), /truncated/],
    ['ends within a frame without data', (whole: Buffer) => concat(whole, Buffer.of(0x51, 0x2a)), /truncated/],
    ['has a wrong checksum', (whole: Buffer) => flip(whole, whole.length - 1), /corrupt/],
    ['is corrupt in its middle', (whole: Buffer) => flip(whole, whole.length >> 1), /corrupt|unknown type|truncated/],
    [
      'needs much memory',
      (whole: Buffer) => concat(whole.subarray(0, 4), Buffer.of(0x04, 0x88)),
      /window of more than 32/,
    ],
    ['needs a dictionary', (whole: Buffer) => concat(whole.subarray(0, 4), Buffer.of(1, 0, 7)), /dictionary/],
  ])('yields the blocks before the damage of a zstd stream that %s, then throws', async (_, damage, message) => {
    // More than one block of 128 KiB, that does not compress well.
    const content = randomText(400_000);
    const whole = zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
    const damaged = damage(whole);
    for (const chunkBytes of [100, 1_000_000]) {
      const { bytes, error } = await decodeAll(cut(damaged, chunkBytes));
      expect(error).toMatchObject({ code: 'ERR_OBJECT_DAMAGED', message: expect.stringMatching(message) });
      // A flipped bit can also give other text, which only the checksum at the end tells.
      const firstBlock = Math.min(bytes.length, 131_072);
      expect(content.subarray(0, firstBlock).equals(bytes.subarray(0, firstBlock))).toBe(true);
      if (damaged.length > whole.length / 2) expect(bytes.length).toBeGreaterThanOrEqual(131_072);
    }
  });

  test('yields what is before the damage of an outer stream', async () => {
    const inner = zstdCompressSync(randomText(400_000));
    const whole = gzipSync(inner);
    const { bytes, error } = await decodeAll(cut(whole.subarray(0, whole.length / 2), 1_000));
    expect(error).toMatchObject({ code: 'ERR_OBJECT_DAMAGED', message: expect.stringMatching(/truncated/) });
    expect(bytes.length).toBeGreaterThanOrEqual(131_072);
  });

  test('streams a zstd bomb of 256 MiB in little memory', async () => {
    await expectLittleMemory(createZstdCompress(), 256);
  });

  test('refuses a stream that is compressed again and again', async () => {
    let stream: Buffer = lines;
    for (let layer = 0; layer < 5; layer++) stream = gzipSync(stream);
    const { bytes, error } = await decodeAll([stream]);
    expect(bytes).toHaveLength(0);
    expect(error).toMatchObject({ code: 'ERR_OBJECT_FORMAT', message: expect.stringContaining('more than 4 times') });
  });

  test.each([
    ['compressed with bzip2', Buffer.from('425a6839314159265359', 'hex')],
    ['compressed with bzip2', Buffer.from('425a6839177245385090', 'hex')],
    ['compressed with xz', Buffer.from('fd377a585a000004', 'hex')],
    ['compressed with LZ4', Buffer.from('04224d186440', 'hex')],
    ['compressed with Snappy', Buffer.from('ff060000734e61507059', 'hex')],
    ['a zip archive', Buffer.from('PK\u0003\u0004')],
    ['a zip archive', Buffer.from('PK\u0005\u0006')],
    ['a 7z archive', Buffer.from('377abcaf271c', 'hex')],
    ['a Parquet file', Buffer.from('PAR1\u0015\u0004')],
    ['an Avro file', Buffer.from('Obj\u0001')],
    ['an ORC file', Buffer.from('4f52430a', 'hex')],
    ['an Arrow file', Buffer.from('ARROW1\0\0')],
  ])('names %s for what it is and yields none of it, compressed or not', async (name, start) => {
    const object = concat(start, 'x'.repeat(1_000));
    for (const input of [object, gzipSync(object), zstdCompressSync(object)]) {
      for (const chunkBytes of [1, 1_000_000]) {
        const { bytes, error } = await decodeAll(cut(input, chunkBytes));
        expect(bytes).toHaveLength(0);
        expect(error).toMatchObject({ code: 'ERR_OBJECT_FORMAT', message: expect.stringContaining(`is ${name}`) });
      }
    }
  });

  test.each([
    ['a JSON array', '[{"a":1},{"b":2}]\n'],
    ['a JSON array', '\ufeff\n [\n{"a":1},\n{"b":2}\n]\n'],
    ['spans several lines', '{\n  "a": 1\n}\n'],
    ['spans several lines', '{"Records":[\n{"a":1}\n]}'],
    ['several objects on one line', '{"a":{"b":"}{"}}{"b":2}\n'],
    ['several objects on one line', '{"a":"\\"}"} {"b":2}'],
    ['separated by commas', '{"a":1},\n{"b":2}\n'],
    ['JSON text sequence', '\u001e{"a":1}\n'],
    ['tar archive', `auditlogs.json${'\0'.repeat(243)}ustar\0${'\0'.repeat(249)}{"a":1}\n`],
  ])('reports once what is %s, and yields all of it: %j', async (name, content) => {
    const wide = concat(utf16('\ufeff'), utf16(content.replace('\ufeff', '')));
    const inputs = name === 'tar archive' ? [Buffer.from(content)] : [Buffer.from(content), wide];
    for (const input of [...inputs, gzipSync(content), zstdCompressSync(content)]) {
      for (const chunkBytes of name === 'tar archive' ? [1_000_000] : [1, 7, 1_000_000]) {
        const { bytes, error, reports } = await decodeAll(cut(input, chunkBytes));
        expect(bytes.toString().replace('\ufeff', '')).toBe(content.replace('\ufeff', ''));
        expect(error).toBeUndefined();
        expect(reports).toMatchObject([{ code: 'ERR_OBJECT_FORMAT', message: expect.stringContaining(name) }]);
      }
    }
  });

  test.each([
    ['JSON Lines', '{"a":[1,{"b":"\\"}{["}]}\r\n{"b":2}\n'],
    ['a last line without a newline', '{"a":1}'],
    ['blank lines before the first', '\n\n \t\r\n{"a":1}\n{"b":2}\n'],
    ['NULs before the first line', '\0\0\0{"a":1}\n{"b":2}\n'],
    ['a first line that is cut', '{"a":"x\n{"b":2}\n'],
    ['text that is no JSON', 'a,b\n1,2\n'],
    ['an empty object', '{}\n{}\n'],
    ['nothing', ''],
  ])('reports nothing about %s', async (_, content) => {
    for (const chunkBytes of [1, 1_000_000]) {
      const { bytes, reports } = await decodeAll(cut(Buffer.from(content), chunkBytes));
      expect(bytes.toString()).toBe(content);
      expect(reports).toEqual([]);
    }
  });

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
    await expectLittleMemory(createGzip({ level: 1 }), 1_024);
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
    ['zstd', zstdCompressSync(lines)],
    ['UTF-16', Buffer.from(lines.toString(), 'utf16le')],
    ['gzip in gzip', gzipSync(gzipSync(lines))],
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
    ['zstd', zstdCompressSync(lines)],
    ['UTF-16', Buffer.from(lines.toString(), 'utf16le')],
    ['gzip in gzip', gzipSync(gzipSync(lines))],
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
  const reports: AgentError[] = [];
  let error: unknown;
  try {
    const report = (fault: AgentError) => reports.push(fault);
    for await (const chunk of createDecoder().decompress(toAsync(chunks), report)) decoded.push(Uint8Array.from(chunk));
  } catch (thrown) {
    error = thrown;
  }
  return { bytes: Buffer.concat(decoded), error, reports };
}

async function* toAsync(chunks: AsyncIterable<Uint8Array> | readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function utf16(content: string): Buffer {
  return Buffer.from(content, 'utf16le');
}

function utf32(content: string): Buffer {
  return Buffer.concat(
    Array.from(content, (character) => {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(character.codePointAt(0) ?? 0);
      return bytes;
    }),
  );
}

/** Hexadecimal digits that compress to half of their size, the same ones every time. */
function randomText(sizeBytes: number): Buffer {
  let state = 1;
  const next = () => {
    state = (state * 48_271) % 2_147_483_647;
    return (state % 16).toString(16);
  };
  return Buffer.from(Array.from({ length: sizeBytes }, next).join(''));
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

/** Decompresses so many MiB of zeros. */
async function expectLittleMemory(compressed: Transform, mebibytes: number): Promise<void> {
  const zeros = Buffer.alloc(1_048_576);
  void (async () => {
    for (let index = 0; index < mebibytes; index++) {
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
  expect(sizeBytes).toBe(mebibytes * 1_048_576);
  expect(peakBytes).toBeLessThan(150_000_000);
}
