/**
 * The mapping alone (scan, map, write) beside JSON.parse of the same lines, for each delivery. Both take turns, and medians are
 * compared, because other processes share the machine.
 */
import type { Mapper, OtlpEncoding } from '../../src/contracts/mapper.ts';
import { createMapper } from '../../src/mapping/index.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { type DeliveryName, deliveryLines, deliveryNames } from './deliveries.ts';
import { cpuSecondsNow } from './json-parse.ts';
import type { Table } from './report.ts';
import type { Workshop } from './workshop.ts';

const linesPerBatch = 512;
const linesMax = 10_000;
const roundsEach = 11;

export function measureMapping({ sizes }: Workshop): readonly Table[] {
  const lineCount = Math.min(linesMax, sizes.lineCount);
  const rows = deliveryNames.map((name) => {
    const { jsonParseUs, protobufUs, jsonUs } = measureDelivery(name, lineCount);
    return {
      name,
      figures: { protobufToJsonParse: jsonParseUs / protobufUs, jsonToJsonParse: jsonParseUs / jsonUs },
    };
  });
  return [{ name: 'mapping', title: 'Mapping alone: scan, map, write', rows }];
}

/** Microseconds of processor time a line, the median of the rounds. */
function measureDelivery(name: DeliveryName, lineCount: number) {
  const texts = deliveryLines(name, { first: 0, count: lineCount });
  const lines = texts.map((text) => identifiedLine(text));
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const [jsonParseUs = 0, protobufUs = 0, jsonUs = 0] = mediansOfTurns(roundsEach, lineCount, [
    () => texts.forEach((text) => void JSON.parse(text)),
    () => mapAll(lines, mapper, 'protobuf'),
    () => mapAll(lines, mapper, 'json'),
  ]);
  return { jsonParseUs, protobufUs, jsonUs };
}

function mapAll(lines: readonly ReturnType<typeof identifiedLine>[], mapper: Mapper, encoding: OtlpEncoding): void {
  const encoder = mapper.createEncoder(encoding);
  for (const [index, line] of lines.entries()) {
    encoder.append(line);
    if (index % linesPerBatch === linesPerBatch - 1) encoder.finish();
  }
  encoder.finish();
}

/** Microseconds a line of each, after rounds that do not count. */
function mediansOfTurns(rounds: number, lineCount: number, runs: readonly (() => void)[]): number[] {
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
