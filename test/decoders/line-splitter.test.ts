import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createDecoder } from '../../src/decoders/index.ts';
import type { DeliveredLine } from '../../src/model/line.ts';
import { fc } from '../support/property-tests.ts';

describe('the line splitter', () => {
  test('yields each line without its line ending, with its end offset', () => {
    expect(texts(split(['{"a":1}\n{"b":2}\r\n']))).toEqual([
      ['{"a":1}', 8],
      ['{"b":2}', 17],
    ]);
  });

  test('counts offsets from the start offset', () => {
    expect(texts(split(['x\n'], { startOffsetBytes: 1_000 }))).toEqual([['x', 1_002]]);
  });

  test('yields a last line without a newline only at the end', () => {
    const splitter = createDecoder().createLineSplitter(0);
    expect(splitter.push(Buffer.from('one\ntw'))).toHaveLength(1);
    expect(splitter.push(Buffer.from('o'))).toHaveLength(0);
    expect(text(splitter.end())).toBe('two');
    expect(splitter.end()).toBeUndefined();
  });

  test('skips empty and blank lines but counts their bytes', () => {
    expect(texts(split(['\n \t\r\n\r\na\n  \n']))).toEqual([['a', 9]]);
    expect(split(['  \t'])).toEqual([]);
  });

  test('treats one carriage return as part of the line ending, even without a newline at the end of the object', () => {
    expect(texts(split(['a\rb\r\r\n', 'c\r']))).toEqual([
      ['a\rb\r', 6],
      ['c', 8],
    ]);
  });

  test('drops one byte order mark at the start of each line, because concatenated files have one each', () => {
    const mark = '\u{feff}';
    for (const chunkBytes of [1, 1_000]) {
      const content = Buffer.from(`${mark}a\n${mark}b\nc${mark}\n${mark}${mark}d\n`);
      const chunks = Array.from({ length: Math.ceil(content.length / chunkBytes) }, (_, index) =>
        content.subarray(index * chunkBytes, (index + 1) * chunkBytes),
      );
      expect(texts(split(chunks))).toEqual([
        ['a', 5],
        ['b', 10],
        [`c${mark}`, 15],
        [`${mark}d`, 23],
      ]);
    }
    expect(texts(split([`${mark}a\n`], { startOffsetBytes: 5 }))).toEqual([['a', 10]]);
    const [cut] = split([`x\n${mark}abcdefghij`, 'klm\n'], { lineBytesMax: 10 }).slice(1);
    expect([text(cut), cut?.sizeBytes, cut?.digest]).toEqual(['abcdefghij', 13, sha256('abcdefghijklm')]);
  });

  test('a later line of nothing but a byte order mark stays a line, as positions in the state count it as one', () => {
    const mark = '\u{feff}';
    expect(split([`${mark}\n`])).toEqual([]);
    expect(texts(split([`a\n${mark} \n`, mark]))).toEqual([
      ['a', 2],
      [`${mark} `, 7],
      [mark, 10],
    ]);
  });

  test('takes NULs around a line for padding, and NULs within it for its own', () => {
    const nuls = '\0'.repeat(5_000);
    const content = `${nuls}{"a":1}\n${nuls}\n\0\r\n{"b":"\0"}${nuls}\r\nx${nuls}y\n{"c":3}${nuls}`;
    for (const chunkBytes of [1, 999, 1_000_000]) {
      const chunks = Array.from({ length: Math.ceil(content.length / chunkBytes) }, (_, index) =>
        content.slice(index * chunkBytes, (index + 1) * chunkBytes),
      );
      expect(split(chunks).map((line) => text(line))).toEqual(['{"a":1}', '{"b":"\0"}', `x${nuls}y`, '{"c":3}']);
    }
  });

  test('finds a line between more NULs than a line may have', () => {
    const nuls = '\0'.repeat(300);
    for (const chunks of [[`${nuls}line${nuls}\n`], [nuls, 'line', nuls, '\n'], [...`${nuls}line${nuls}`]]) {
      const [line, ...others] = split(chunks, { lineBytesMax: 10 });
      expect([text(line), line?.sizeBytes, line?.digest, others]).toEqual(['line', 4, undefined, []]);
    }
    expect(split([nuls, nuls], { lineBytesMax: 10 })).toEqual([]);
  });

  test('truncates a line over the limit and reports the size and digest of the whole line', () => {
    const long = 'abcdefghijklmnop';
    for (const chunks of [[`${long}\r\nok\n`], [...`${long}\r\nok\n`], [`${long.slice(0, 13)}`, `nop\r`, '\nok\n']]) {
      const [cut, whole] = split(chunks, { lineBytesMax: 10 });
      expect(text(cut)).toBe('abcdefghij');
      expect(cut).toMatchObject({ sizeBytes: 16, endOffsetBytes: 18, digest: sha256(long) });
      expect(text(whole)).toBe('ok');
    }
  });

  test('does not truncate a line of exactly the limit', () => {
    const [line] = split([...'0123456789\r\n'], { lineBytesMax: 10 });
    expect(line).toMatchObject({ sizeBytes: 10, digest: undefined });
  });

  test('keeps at most the limit of a line that never ends', () => {
    const splitter = createDecoder({ lineBytesMax: 1_024 }).createLineSplitter(0);
    const chunk = Buffer.alloc(1_048_576, 'x');
    splitter.push(chunk);
    const before = process.memoryUsage().arrayBuffers;
    for (let index = 0; index < 200; index++) splitter.push(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5_000_000);
    expect(splitter.end()?.sizeBytes).toBe(201 * 1_048_576);
  });

  test('yields lines that later chunks do not change', () => {
    const splitter = createDecoder().createLineSplitter(0);
    splitter.push(Buffer.from('first '));
    const [first] = splitter.push(Buffer.from('line\nsecond '));
    const [second] = splitter.push(Buffer.from('line, longer\n'));
    expect([text(first), text(second)]).toEqual(['first line', 'second line, longer']);
  });

  test('handles a long line in tiny chunks in linear time', () => {
    const splitter = createDecoder({ lineBytesMax: 4_194_304 }).createLineSplitter(0);
    const byte = Buffer.from('x');
    for (let index = 0; index < 2_000_000; index++) splitter.push(byte);
    expect(splitter.end()?.sizeBytes).toBe(2_000_000);
  });

  const bytes = fc
    .array(fc.constantFrom('\n', '\r', '\r\n', '\0', ' ', 'a', '{"b":"ü"}', '\u{feff}', '0123456789abcdef'), {
      maxLength: 60,
    })
    .map((parts) => Buffer.from(parts.join('')));

  test('yields the same lines whatever the chunk boundaries', () => {
    fc.assert(
      fc.property(
        bytes,
        fc.array(fc.nat(400), { maxLength: 20 }),
        fc.integer({ min: 1, max: 24 }),
        (all, cuts, max) => {
          const whole = split([all], { lineBytesMax: max });
          expect(split(cutAt(all, cuts), { lineBytesMax: max })).toEqual(whole);
          expect(split(cutAt(all, [...all.keys()]), { lineBytesMax: max })).toEqual(whole);
        },
      ),
    );
  });

  test('matches a simple model: split at line feeds, strip one carriage return, NULs and a byte order mark, skip blank lines', () => {
    fc.assert(
      fc.property(bytes, (all) => {
        const expected = all
          .toString('latin1')
          .split('\n')
          .map((line) => withoutNuls(line.replace(/\r$/, '')))
          .map((line, index) => line.replace(index === 0 ? /^\xef\xbb\xbf/ : /^\xef\xbb\xbf(?=[ \t\r]*[^ \t\r])/, ''))
          .filter((line) => !/^[ \t\r]*$/.test(line));
        expect(split([all]).map((line) => Buffer.from(line.bytes).toString('latin1'))).toEqual(expected);
      }),
    );
  });

  test('continues from the end of any line as if it had read everything before it', () => {
    fc.assert(
      fc.property(bytes, (all) => {
        const lines = split([all]);
        for (const [index, { endOffsetBytes }] of lines.entries()) {
          const rest = split([all.subarray(endOffsetBytes)], { startOffsetBytes: endOffsetBytes });
          expect(rest).toEqual(lines.slice(index + 1));
        }
      }),
    );
  });
});

function withoutNuls(line: string): string {
  let [start, end] = [0, line.length];
  while (line[start] === '\0') start++;
  while (end > start && line[end - 1] === '\0') end--;
  return line.slice(start, end);
}

interface SplitOptions {
  readonly startOffsetBytes?: number;
  readonly lineBytesMax?: number;
}

function split(
  chunks: readonly (string | Buffer)[],
  { startOffsetBytes = 0, lineBytesMax }: SplitOptions = {},
): DeliveredLine[] {
  const splitter = createDecoder({ lineBytesMax }).createLineSplitter(startOffsetBytes);
  const lines = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)));
  const last = splitter.end();
  return [...lines, ...(last === undefined ? [] : [last])].map((line) => ({
    ...line,
    // Buffer and Uint8Array are equivalent to readers, but not to toEqual.
    bytes: Uint8Array.from(line.bytes),
    digest: line.digest,
  }));
}

function cutAt(all: Buffer, offsets: readonly number[]): readonly Buffer[] {
  const cuts = [0, ...offsets.map((offset) => Math.min(offset, all.length)), all.length].sort((a, b) => a - b);
  return cuts.slice(1).map((end, index) => all.subarray(cuts[index], end));
}

function text(line: DeliveredLine | undefined): string | undefined {
  return line && Buffer.from(line.bytes).toString();
}

function texts(lines: readonly DeliveredLine[]): readonly (readonly [string | undefined, number])[] {
  return lines.map((line) => [text(line), line.endOffsetBytes]);
}

function sha256(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}
