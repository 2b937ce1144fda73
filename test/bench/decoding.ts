/**
 * Prints how fast lines are cut, as a ratio to JSON.parse of the same lines: `node test/bench/decoding.ts`.
 */
import { createDecoder } from '../../src/decoders/index.ts';

const line = JSON.stringify({
  version: '2.0',
  auditLevel: 'WORKSPACE_LEVEL',
  timestamp: 1_756_713_600_123,
  orgId: '1234567890123456',
  shardName: 'us-west-2-prod',
  accountId: '0d26daa6-5e44-4c97-a497-ef015f91254a',
  sourceIPAddress: '198.51.100.7',
  userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  sessionId: 'a5f1c2de9b3047c8a1d2e3f4a5b6c7d8',
  userIdentity: { email: 'someone@example.com', subjectName: null },
  serviceName: 'unityCatalog',
  actionName: 'getTable',
  requestId: '4b6d2c1a-7f0e-4a53-9d1b-2a3c4d5e6f70',
  requestParams: {
    full_name_arg: 'main.sales.orders_2026',
    include_browse: 'true',
    workspace_id: '1234567890123456',
    metastore_id: '7f3a1b2c-0d4e-4f5a-8b6c-9d7e8f901234',
  },
  response: { statusCode: 200, errorMessage: null, result: null },
});
// A few chunks over and over: in life a chunk was just read, so it comes from the processor's cache and not from memory.
const linesPerRound = 1_000;
const rounds = 100;
const lineCount = linesPerRound * rounds;
const chunks = cutIntoChunks(Buffer.from(`${line}\n`.repeat(linesPerRound)), 131_072);

const splitMs = bestOf(7, () => {
  const splitter = createDecoder().createLineSplitter(0);
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    for (const chunk of chunks) count += splitter.push(chunk).length;
  }
  if (count !== lineCount) throw new Error(`expected ${lineCount} lines, got ${count}`);
});
const parseMs = bestOf(7, () => {
  for (let index = 0; index < lineCount; index++) JSON.parse(line);
});

console.log(`${lineCount} lines of ${line.length} bytes, in ratios to JSON.parse of the same lines`);
console.log(`JSON.parse  1.0  (${((parseMs * 1000) / lineCount).toFixed(3)} µs a line)`);
console.log(`split      ${(parseMs / splitMs).toFixed(1)}  (${((splitMs * 1000) / lineCount).toFixed(3)} µs a line)`);

function cutIntoChunks(bytes: Buffer, chunkBytes: number): readonly Buffer[] {
  const count = Math.ceil(bytes.length / chunkBytes);
  return Array.from({ length: count }, (_, index) => bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes));
}

function bestOf(runs: number, action: () => void): number {
  let bestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const startMs = performance.now();
    action();
    bestMs = Math.min(bestMs, performance.now() - startMs);
  }
  return bestMs;
}
