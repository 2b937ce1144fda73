/**
 * How fast lines become a protobuf request, as a ratio to `JSON.parse` of the same lines in the same run.
 * Run: node test/bench/mapping.ts
 */
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';

const recordCount = 5_000;
const batchRecords = 512;
const rounds = 15;

const texts = sampleRecords(recordCount);
const lines = texts.map((text) => identifiedLine(text));
const meanSizeBytes = Math.round(lines.reduce((sum, line) => sum + line.sizeBytes, 0) / recordCount);

const measured = [
  { name: 'JSON.parse of the text', run: () => texts.forEach((text) => void JSON.parse(text)) },
  { name: 'protobuf, secrets redacted', run: encodeAll('protobuf', ['secrets']) },
  { name: 'protobuf, secrets and commands', run: encodeAll('protobuf', ['secrets', 'commands']) },
  { name: 'protobuf, nothing redacted', run: encodeAll('protobuf', []) },
  { name: 'JSON, secrets redacted', run: encodeAll('json', ['secrets']) },
].map((task) => ({ ...task, bestMs: Number.POSITIVE_INFINITY }));

// In turns, and the best round of each: what else the machine does then hits all of them alike.
for (let round = 0; round < rounds; round++) {
  for (const task of measured) {
    const start = process.hrtime.bigint();
    task.run();
    task.bestMs = Math.min(task.bestMs, Number(process.hrtime.bigint() - start) / 1e6);
  }
}

const parseMs = measured[0]?.bestMs ?? Number.NaN;
console.log(`${recordCount} records of ${meanSizeBytes} bytes on average`);
for (const { name, bestMs } of measured) {
  const microseconds = ((bestMs * 1000) / recordCount).toFixed(2);
  console.log(
    `${name.padEnd(32)} ${microseconds.padStart(6)} µs a record   ${(parseMs / bestMs).toFixed(2)} of JSON.parse`,
  );
}

function encodeAll(encoding: 'protobuf' | 'json', redact: readonly ('secrets' | 'commands')[]): () => void {
  const mapper = createMapper({ layers: ['databricks-audit'], redact, resourceAttributes: {} });
  const encoder = mapper.createEncoder(encoding);
  return () => {
    for (const line of lines) {
      encoder.append(line);
      if (encoder.recordCount === batchRecords) encoder.finish();
    }
    encoder.finish();
  };
}
