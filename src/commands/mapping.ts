/**
 * `mapping show` and `mapping test`: help for writing a mapping layer.
 */
import { styleText } from 'node:util';
import { loadConfiguration } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import {
  checkGolden,
  effectiveMapping,
  type GoldenResult,
  type MappingTrial,
  tryFile,
  trySource,
} from '../tools/mapping/mapping-test.ts';
import {
  type CommandContext,
  count,
  counted,
  type ExitCode,
  exitCodes,
  isSourceUrl,
  jsonLine,
  withDefaults,
  withoutState,
} from './command.ts';
import { renderTable } from './table.ts';

export interface MappingShowOptions {
  readonly mapping?: string;
  readonly json?: boolean;
}

export interface MappingTestOptions extends MappingShowOptions {
  readonly golden?: string;
  readonly update?: boolean;
}

export async function mappingShow(options: MappingShowOptions, context: CommandContext): Promise<ExitCode> {
  const { rows } = effectiveMapping(mappingOf(options, context));
  const table = () => {
    const cells = rows.map(({ target, from, type, when }) =>
      [target, from, type, when].map((cell) => printable(cell, 200)),
    );
    return renderTable(['target', 'from', 'type', 'when'], cells);
  };
  context.stdout.write(options.json ? jsonLine(rows) : table());
  return exitCodes.success;
}

export async function mappingTest(
  sample: string | undefined,
  options: MappingTestOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { golden, update = false, json = false } = options;
  if (sample === undefined && golden === undefined) {
    throw new AgentError(
      'ERR_CONFIGURATION',
      'mapping test: expected a file with sample lines, the URL of a source, or --golden <directory>',
    );
  }
  const mapping = mappingOf(options, context);
  const trial = sample === undefined ? undefined : await trySample(sample, options, context);
  const pairs = golden === undefined ? [] : checkGolden(mapping, golden, update);
  const text = json
    ? jsonLine({ ...trial, golden: pairs })
    : [trial && renderTrial(trial), ...pairs.map((pair) => renderPair(pair, context.stdout))]
        .filter(Boolean)
        .join('\n');
  context.stdout.write(text);
  return pairs.some(({ status }) => status === 'different') ? exitCodes.failure : exitCodes.success;
}

/** The lines of a file, or the first ones of a source. The mapping of the source counts, unless an option names another one. */
async function trySample(sample: string, options: MappingShowOptions, context: CommandContext): Promise<MappingTrial> {
  const mapping = mappingOf(options, context);
  if (!isSourceUrl(sample)) return tryFile(mapping, sample);
  const { sources } = loadConfiguration({ ...withoutState(context.environment), DATABRICKS_AUDIT_SOURCE: sample });
  const [source, ...others] = sources;
  if (source === undefined || others.length > 0) {
    throw new AgentError('ERR_CONFIGURATION', `mapping test: expected one source, got ${sources.length}`);
  }
  return await trySource(
    mapping,
    options.mapping === undefined ? source : { ...source, mapping: undefined },
    context.stop,
  );
}

function mappingOf({ mapping }: MappingShowOptions, { environment }: CommandContext) {
  const layers = mapping === undefined ? {} : { DATABRICKS_AUDIT_MAPPING: mapping };
  const settings = { ...withoutState(environment), ...layers };
  return loadConfiguration(withDefaults(settings, { DATABRICKS_AUDIT_SOURCE: '.' })).mapping;
}

function renderTrial({ lineCount, unparsedCount, fields, unusedTargets }: MappingTrial): string {
  const named = (target: string) =>
    unusedTargets.includes(target.replace(/^resource /, '')) ? `${target} (no value)` : target;
  const rows = fields.flatMap(({ field, targets, recordCount, example }) => {
    // The trailing space keeps the table from right-aligning a numeric example.
    const cells = [count(recordCount), `${printable(example, 40)} `];
    const [first = '(body only)', ...others] = targets.map(named);
    return [[printable(field, 80), first, ...cells], ...others.map((target) => ['', target, '', ''])];
  });
  const unused = fields.filter(({ targets }) => targets.length === 0).length;
  const lines = [
    `${counted(lineCount, 'line')}, ${count(unparsedCount)} unparsed; ${counted(fields.length, 'field')}, ${count(unused)} in the body only`,
    ...(unusedTargets.length === 0 ? [] : [`Targets without a value in this sample: ${unusedTargets.join(', ')}`]),
  ];
  return `${renderTable(['field', 'target', 'lines', 'example'], rows)}\n${lines.join('\n')}\n`;
}

function renderPair({ name, status, differences }: GoldenResult, stream: NodeJS.WriteStream): string {
  if (status !== 'different') return `${styleText('green', status.padEnd(9), { stream })} ${printable(name)}\n`;
  const lines = differences.map(({ expected, actual }) =>
    expected === undefined
      ? styleText('green', `  + ${printable(actual?.trim() ?? '', 500)}`, { stream })
      : styleText('red', `  - ${printable(expected.trim(), 500)}`, { stream }),
  );
  return [`${styleText('red', 'different', { stream })} ${printable(name)}`, ...lines, ''].join('\n');
}
