/**
 * Compressed streams that are truncated, damaged, concatenated, or much larger than they appear.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createDecoder } from '../../../src/decoders/index.ts';
import { isAgentError } from '../../../src/model/agent-error.ts';
import { runAgent } from '../../support/agent-process.ts';
import { startOtlpReceiver } from '../../support/otlp-receiver.ts';
import { testSeed } from '../../support/seed.ts';
import { temporaryDirectory } from '../../support/temporary-directory.ts';
import { Random } from './random.ts';

const streamCount = 400;
const rssCli = fileURLToPath(new URL('rss-cli.ts', import.meta.url));

interface Stream {
  /** What was compressed. */
  readonly content: Buffer;
  readonly bytes: Buffer;
}

describe('compressed streams', () => {
  it('that are truncated yield the start of their content, and then an error', async () => {
    await forEachStream(async ({ content, bytes }, random) => {
      const at = 2 + random.below(bytes.length - 2);
      const { output, error } = await decompressed(bytes.subarray(0, at), random);
      expect(output.equals(content.subarray(0, output.length))).toBe(true);
      expect(error !== undefined || output.length === content.length || isAtMemberEnd(bytes, at)).toBe(true);
    });
  });

  it('that are damaged yield an error, or what another implementation yields', async () => {
    await forEachStream(async ({ bytes }, random) => {
      const damagedBytes = Buffer.from(bytes);
      for (let count = 1 + random.size(4); count > 0; count--) {
        damagedBytes[2 + random.below(bytes.length - 2)] = random.below(256);
      }
      const { output, error } = await decompressed(damagedBytes, random);
      if (error === undefined) expect(output.equals(gunzipSync(damagedBytes))).toBe(true);
    });
  });

  it('that are garbage after the first two bytes yield an error', async () => {
    await forEachStream(async (_stream, random) => {
      const bytes = Buffer.concat([Buffer.from('1f8b', 'hex'), random.bytes(random.size(200))]);
      expect((await decompressed(bytes, random)).error).toBeDefined();
    });
  });

  it('that are followed by garbage yield all of their content first', async () => {
    await forEachStream(async ({ content, bytes }, random) => {
      const garbage = Buffer.concat([Buffer.of(1 + random.below(30)), random.bytes(random.size(50))]);
      const { output, error } = await decompressed(Buffer.concat([bytes, garbage]), random);
      expect(output.equals(content)).toBe(true);
      expect(error).toBeDefined();
    });
  });

  it('that are followed by zeros are complete', async () => {
    await forEachStream(async ({ content, bytes }, random) => {
      const padded = Buffer.concat([bytes, Buffer.alloc(random.size(600))]);
      const { output, error } = await decompressed(padded, random);
      expect(error).toBeUndefined();
      expect(output.equals(content)).toBe(true);
    });
  });
});

describe('a process that ships decompression bombs', () => {
  // The line is cut and unparsed, and the object contains nothing else, so `ship` exits with 1.
  it.each([
    ['one line of 1 GiB', 'x'.repeat(65_536), 1_024, 384, 1],
    ['256 MiB of records of 64 KiB', `{"timestamp":1759795200000,"a":"${'x'.repeat(65_502)}"}\n`, 256, 512, 0],
  ])(
    'stays small: %s',
    async (_name, piece, sizeMebibytes, peakMebibytesMax, exitCode) => {
      const root = temporaryDirectory();
      const receiver = await startOtlpReceiver();
      onTestFinished(() => receiver.close());
      const member = gzipSync(piece.repeat(256));
      const bomb = Buffer.concat(Array.from({ length: sizeMebibytes / 16 }, () => member));
      writeFileSync(join(root, 'auditlogs_1.json.gz'), bomb);
      const { code, stderr } = await runAgent(
        ['ship', root],
        { DATABRICKS_AUDIT_STATE: join(root, 'state'), OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url },
        { script: rssCli },
      );
      expect(code).toBe(exitCode);
      const peakMebibytes = Number(/peak RSS (\d+) MiB/.exec(stderr)?.[1]);
      console.log(`${bomb.length} bytes, peak RSS ${peakMebibytes} MiB`);
      expect(peakMebibytes).toBeLessThan(peakMebibytesMax);
    },
    600_000,
  );
});

async function forEachStream(check: (stream: Stream, random: Random) => Promise<void>): Promise<void> {
  for (let index = 0; index < streamCount; index++) {
    const random = Random.ofItem(testSeed, index);
    try {
      await check(makeStream(random), random);
    } catch (error) {
      throw new Error(`seed ${testSeed}, stream ${index}: ${String(error).slice(0, 500)}`, { cause: error });
    }
  }
}

/** One to three members, with content that compresses well or not at all. */
function makeStream(random: Random): Stream {
  const parts = random.list(1 + random.size(3), () =>
    random.chance(0.3) ? random.bytes(random.size(3_000)) : Buffer.from('{"a":1}\n'.repeat(random.size(20_000))),
  );
  const members = parts.map((part) => gzipSync(part, { level: random.pick([0, 1, 6, 9]) }));
  return { content: Buffer.concat(parts), bytes: Buffer.concat(members) };
}

/** Truncation directly after a member cannot be detected. */
function isAtMemberEnd(bytes: Buffer, at: number): boolean {
  try {
    gunzipSync(bytes.subarray(0, at));
    return true;
  } catch {
    return false;
  }
}

async function decompressed(bytes: Buffer, random: Random): Promise<{ output: Buffer; error: Error | undefined }> {
  const chunkBytes = 1 + random.size(5_000);
  const output: Uint8Array[] = [];
  try {
    for await (const chunk of createDecoder().decompress(chunksOf(bytes, chunkBytes))) output.push(chunk);
    return { output: Buffer.concat(output), error: undefined };
  } catch (error) {
    if (!isAgentError(error, 'ERR_OBJECT_DAMAGED')) throw error;
    return { output: Buffer.concat(output), error };
  }
}

async function* chunksOf(bytes: Buffer, chunkBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}
