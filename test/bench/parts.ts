/**
 * The parts that every line passes, alone and in one thread.
 */
import { hash } from 'node:crypto';
import { Bench } from 'tinybench';
import type { OtlpEncoding } from '../../src/contracts/mapper.ts';
import { createDecoder } from '../../src/decoders/index.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';
import { cpuSecondsNow } from './json-parse.ts';
import type { Table } from './report.ts';
import type { Workshop } from './workshop.ts';

const linesMax = 20_000;
const linesPerBatch = 512;

export function measureParts({ sizes }: Workshop): readonly Table[] {
  const texts = sampleRecords(Math.min(linesMax, sizes.lineCount));
  const bytes = Buffer.from(`${texts.join('\n')}\n`);
  const lines = texts.map((text) => identifiedLine(text));
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const encodeAll = (encoding: OtlpEncoding) => {
    const encoder = mapper.createEncoder(encoding);
    for (const [index, line] of lines.entries()) {
      encoder.append(line);
      if (index % linesPerBatch === linesPerBatch - 1) encoder.finish();
    }
    encoder.finish();
  };
  // Processor time and the fastest iteration, because other processes share the machine.
  const bench = new Bench({
    now: () => cpuSecondsNow() * 1000,
    throws: true,
    time: 500,
    iterations: 10,
    warmupIterations: 3,
  });
  bench
    .add('JSON.parse', () => texts.forEach((text) => void JSON.parse(text)))
    .add('cut bytes into lines', () => createDecoder().createLineSplitter(0).push(bytes))
    .add('SHA-256 of each line', () => lines.forEach((line) => void hash('sha256', line.bytes)))
    .add('SHA-256 of the settled part', () => hash('sha256', bytes))
    .add('scan, map, write protobuf', () => encodeAll('protobuf'))
    .add('scan, map, write JSON', () => encodeAll('json'))
    .runSync();
  const [jsonParse = Number.NaN] = bench.tasks.map(linesPerSecond);
  const lineBytes = Math.round(bytes.length / texts.length);
  const rows = bench.tasks.map((task) => ({
    name: task.name,
    figures: { linesPerCpuSecond: linesPerSecond(task), toJsonParse: linesPerSecond(task) / jsonParse },
  }));
  return [{ name: 'parts', title: `Parts: lines of ${lineBytes} bytes`, rows }];

  function linesPerSecond({ result }: Bench['tasks'][number]): number {
    return result.state === 'completed' ? (texts.length * 1000) / result.latency.min : Number.NaN;
  }
}
