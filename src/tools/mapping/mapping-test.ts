/**
 * Tests a mapping: reports how each field of sample lines is mapped, and whether golden pairs still match.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Configuration } from '../../config/index.ts';
import { createMapper, loadMapping, type Mapping } from '../../mapping/index.ts';
import { layersOf } from '../../mapping/options.ts';
import { AgentError, messageOf } from '../../model/agent-error.ts';
import type { IdentifiedLine } from '../../model/line.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { isJsonObject, parseOrNothing } from '../../runtime/exact-json.ts';
import { printable } from '../../runtime/printable.ts';
import { type ConfiguredSource, createSources } from '../../sources/index.ts';
import { firstLines, newestObject } from '../newest-lines.ts';
import { type FieldUse, fieldUsesOf } from './field-uses.ts';
import { goldenLines, goldenOptions, goldenRecords, goldenText } from './golden.ts';
import { type MappingRow, mappingRows } from './reference.ts';

export interface MappingTrial {
  readonly lineCount: number;
  /** Lines that became unparsed records. */
  readonly unparsedCount: number;
  readonly fields: readonly FieldUse[];
  /** Targets of the mapping that received no value from any line. */
  readonly unusedTargets: readonly string[];
}

export interface GoldenResult {
  readonly name: string;
  readonly status: 'equal' | 'different' | 'written';
  /** The first differing lines. */
  readonly differences: readonly { readonly expected: string | undefined; readonly actual: string | undefined }[];
}

/** The mapping after all layers. @throws AgentError ERR_MAPPING_FILE */
export function effectiveMapping({ layers }: Configuration['mapping']): {
  mapping: Mapping;
  rows: readonly MappingRow[];
} {
  const mapping = loadMapping(layers, '.');
  return { mapping, rows: mappingRows(mapping) };
}

/** The lines of a file count as lines of an S3 object. @throws AgentError ERR_MAPPING_FILE, or ERR_CONFIGURATION if there is no such file */
export function tryFile(options: Configuration['mapping'], path: string): MappingTrial {
  return tryMapping(options, goldenLines(readSample(path), {}));
}

const linesOfSourceMax = 1_000;

/**
 * Tries the first lines of the newest object.
 * @param location whose mapping counts, if it has one.
 * @returns a promise that rejects with an AgentError, also if there is no object.
 */
export async function trySource(
  options: Configuration['mapping'],
  location: ConfiguredSource,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<MappingTrial> {
  const layers = location.mapping === undefined ? options.layers : layersOf(location.mapping);
  const faults: AgentError[] = [];
  const onFault = (fault: AgentError) => faults.push(fault);
  for (const source of createSources([location], { stillAfterPolls: 0 })) {
    try {
      const newest = await newestObject(source, { signal, nowMs: clock.nowMs(), onFault });
      if (newest === undefined) continue;
      return tryMapping({ ...options, layers }, await firstLines(newest, linesOfSourceMax, signal));
    } finally {
      await source.close();
    }
  }
  throw faults[0] ?? new AgentError('ERR_SOURCE_EMPTY', `There is no object in ${printable(location.name)} yet`);
}

function tryMapping(options: Configuration['mapping'], lines: readonly IdentifiedLine[]): MappingTrial {
  const mapping = loadMapping(options.layers, '.');
  const records = goldenRecords(lines, createMapper(options));
  // The bodies and not the lines: their examples are redacted.
  const parsed = records.flatMap(({ record }) => {
    const value = parseOrNothing(textOf(record));
    return value !== undefined && isJsonObject(value) ? [value] : [];
  });
  const targetsWithValue = new Set(records.flatMap(({ resource, record }) => [...keysOf(resource), ...keysOf(record)]));
  return {
    lineCount: lines.length,
    unparsedCount: records.filter(({ record }) => 'eventName' in record && record.eventName === mapping.unparsed.event)
      .length,
    fields: fieldUsesOf(mapping, parsed),
    unusedTargets: [...mapping.attributes.keys(), ...mapping.resource.keys()].filter(
      (target) => !targetsWithValue.has(target),
    ),
  };
}

/**
 * @param directory a golden pair, or a folder of golden pairs.
 * @param update overwrites `expected.json` instead of comparing.
 * @throws AgentError ERR_MAPPING_FILE, ERR_SOURCE_READ, or ERR_CONFIGURATION if there are no golden pairs.
 */
export function checkGolden(options: Configuration['mapping'], directory: string, update: boolean): GoldenResult[] {
  return pairsIn(directory).map((name) => {
    const pair = join(directory, name);
    const pairOptions = readOptions(join(pair, 'options.json'));
    const mapper = createMapper({
      ...options,
      layers: pairOptions.layers ?? options.layers,
      redact: pairOptions.redact ?? options.redact,
    });
    const actual = goldenText(goldenRecords(goldenLines(readInput(join(pair, 'input.jsonl')), pairOptions), mapper));
    const expectedPath = join(pair, 'expected.json');
    if (update) {
      writeFileSync(expectedPath, actual);
      return { name, status: 'written', differences: [] };
    }
    const expected = readInput(expectedPath, updateHint).toString();
    return { name, status: expected === actual ? 'equal' : 'different', differences: differencesOf(expected, actual) };
  });
}

const updateHint = 'A golden pair is a folder with input.jsonl and expected.json; --update creates expected.json.';

function pairsIn(directory: string): string[] {
  if (existsSync(join(directory, 'input.jsonl'))) return ['.'];
  const names = existsSync(directory) ? readdirSync(directory).sort() : [];
  const pairs = names.filter((name) => existsSync(join(directory, name, 'input.jsonl')));
  if (pairs.length > 0) return pairs;
  throw new AgentError('ERR_CONFIGURATION', `--golden: expected a folder with golden pairs, got ${directory}`, {
    hint: updateHint,
  });
}

function readOptions(path: string) {
  if (!existsSync(path)) return {};
  const parsed = goldenOptions.safeParse(parseOrNothing(readInput(path).toString()));
  if (parsed.success) return parsed.data;
  throw new AgentError('ERR_CONFIGURATION', `${path}: expected an object with layers, redact or cutFrom`);
}

function readSample(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `mapping test: expected a file with sample lines, got ${path}: ${messageOf(cause)}`;
    throw new AgentError('ERR_CONFIGURATION', message, { cause });
  }
}

function readInput(path: string, hint?: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new AgentError('ERR_SOURCE_READ', `Could not read ${path}: ${messageOf(cause)}`, { cause, hint });
  }
}

function textOf(record: object): string {
  const { body } = record as { readonly body?: { readonly stringValue?: string } };
  return body?.stringValue ?? '';
}

function keysOf({ attributes }: { readonly attributes: readonly unknown[] }): string[] {
  return attributes.map((attribute) => (attribute as { readonly key: string }).key);
}

const differencesMax = 10;

/** Compares line by line and reports the lines that occur in only one of the two texts. */
function differencesOf(expected: string, actual: string): GoldenResult['differences'] {
  const [expectedLines, actualLines] = [expected, actual].map((text) => text.split('\n'));
  const missing = subtractLines(expectedLines ?? [], actualLines ?? []).map((line) => ({
    expected: line,
    actual: undefined,
  }));
  const added = subtractLines(actualLines ?? [], expectedLines ?? []).map((line) => ({
    expected: undefined,
    actual: line,
  }));
  return [...missing, ...added].slice(0, differencesMax);
}

/** Multiset difference, ignoring indentation and trailing commas. */
function subtractLines(lines: readonly string[], others: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of others) counts.set(withoutComma(line), (counts.get(withoutComma(line)) ?? 0) + 1);
  return lines.filter((line) => {
    const left = counts.get(withoutComma(line)) ?? 0;
    counts.set(withoutComma(line), left - 1);
    return left <= 0;
  });
}

/** The last entry of a JSON list has no trailing comma. */
function withoutComma(line: string): string {
  return line.trim().replace(/,$/, '');
}
