/**
 * The parts that every line passes besides the mapping, alone and in one thread, on varied lines.
 */
import { hash } from 'node:crypto';
import { Bench } from 'tinybench';
import { createDecoder } from '../../src/decoders/index.ts';
import { deliveryLines } from './deliveries.ts';
import { cpuSecondsNow } from './json-parse.ts';
import type { Table } from './report.ts';
import type { Workshop } from './workshop.ts';

const linesMax = 20_000;

export function measureParts({ sizes }: Workshop): readonly Table[] {
  const texts = deliveryLines('varied', { first: 0, count: Math.min(linesMax, sizes.lineCount) });
  const bytes = Buffer.from(`${texts.join('\n')}\n`);
  const lines = texts.map((text) => Buffer.from(text));
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
    .add('SHA-256 of each line', () => lines.forEach((line) => void hash('sha256', line)))
    .add('SHA-256 of the settled part', () => hash('sha256', bytes))
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
