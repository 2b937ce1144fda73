/**
 * The mapping alone (scan, map, write) next to JSON.parse of the same lines, for each delivery: `node test/bench/mapping.ts [lines] [rounds]`.
 * Both take turns, and medians are compared, because other processes share the machine.
 */
import type { Mapper, OtlpEncoding } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { type DeliveryName, deliveryLines, deliveryNames } from './deliveries.ts';
import { cpuSecondsNow } from './json-parse.ts';

const linesPerBatch = 512;

export interface MappingSpeed {
  readonly delivery: DeliveryName;
  readonly lineBytes: number;
  /** Microseconds of processor time a line, the median of the rounds. */
  readonly jsonParseUs: number;
  readonly protobufUs: number;
  readonly jsonUs: number;
}

export function measureMapping(delivery: DeliveryName, lineCount: number, rounds: number): MappingSpeed {
  const texts = deliveryLines(delivery, lineCount);
  const lines = texts.map((text) => identifiedLine(text));
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const [jsonParseUs = 0, protobufUs = 0, jsonUs = 0] = mediansOfTurns(rounds, lineCount, [
    () => texts.forEach((text) => void JSON.parse(text)),
    () => mapAll(lines, mapper, 'protobuf'),
    () => mapAll(lines, mapper, 'json'),
  ]);
  const lineBytes = Math.round(lines.reduce((sum, { bytes }) => sum + bytes.length, 0) / lineCount);
  return { delivery, lineBytes, jsonParseUs, protobufUs, jsonUs };
}

export function mapAll(
  lines: readonly ReturnType<typeof identifiedLine>[],
  mapper: Mapper,
  encoding: OtlpEncoding,
): void {
  const encoder = mapper.createEncoder(encoding);
  for (const [index, line] of lines.entries()) {
    encoder.append(line);
    if (index % linesPerBatch === linesPerBatch - 1) encoder.finish();
  }
  encoder.finish();
}

/** Microseconds a line of each, after rounds that do not count. */
export function mediansOfTurns(rounds: number, lineCount: number, runs: readonly (() => void)[]): number[] {
  const warmUpRounds = 3;
  const times = runs.map((): number[] => []);
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const [index, run] of runs.entries()) {
      const startedAt = cpuSecondsNow();
      run();
      if (round >= 0) times[index]?.push(((cpuSecondsNow() - startedAt) * 1e6) / lineCount);
    }
  }
  return times.map((each) => each.sort((one, other) => one - other)[Math.floor(each.length / 2)] ?? Number.NaN);
}

if (import.meta.main) {
  const [lineCount = 10_000, rounds = 11] = process.argv.slice(2).map(Number);
  for (const name of deliveryNames) {
    const { lineBytes, jsonParseUs, protobufUs, jsonUs } = measureMapping(name, lineCount, rounds);
    const shown = (us: number) => `${us.toFixed(2)} µs = ${(jsonParseUs / us).toFixed(2)}`;
    console.log(
      `${name} (${lineBytes} bytes): JSON.parse ${jsonParseUs.toFixed(2)} µs, protobuf ${shown(protobufUs)}, JSON ${shown(jsonUs)}`,
    );
  }
}
