/**
 * `detections`: prints the detection pack for a backend. Standard output is exactly the file.
 */
import { loadConfiguration } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { printableLines } from '../runtime/printable.ts';
import { duration } from '../runtime/variable.ts';
import { formatNames, levels, writeDetections } from '../tools/detections.ts';
import { type CommandContext, type ExitCode, exitCodes, withDefaults, withoutState } from './command.ts';

export interface DetectionsCommandOptions {
  readonly format?: string;
  readonly mapping?: string;
  readonly filters?: string;
  readonly level: string;
  readonly delay: string;
  readonly allInOne?: boolean;
}

export async function detections(options: DetectionsCommandOptions, context: CommandContext): Promise<ExitCode> {
  const { environment, stdout, stderr } = context;
  const layers = options.mapping ?? environment.DATABRICKS_AUDIT_MAPPING;
  const settings = {
    ...withoutState(environment),
    ...(layers === undefined ? {} : { DATABRICKS_AUDIT_MAPPING: layers }),
  };
  const { mapping } = loadConfiguration(withDefaults(settings, { DATABRICKS_AUDIT_SOURCE: '.' }));
  const format = oneOf('--format', formatNames, options.format);
  if (options.allInOne && format !== 'loki') {
    throw new AgentError('ERR_CONFIGURATION', `--all-in-one: expected --format loki with it, got ${format}`);
  }
  const { text, leftOut } = writeDetections({
    format,
    layers: layers === undefined ? undefined : mapping.layers,
    serviceName: mapping.resourceAttributes['service.name'],
    filterDirectory: options.filters,
    level: oneOf('--level', levels, options.level),
    delayMs: delayOf(options.delay),
    allInOne: options.allInOne ?? false,
  });
  for (const { rule, reason } of leftOut) stderr.write(printableLines(`Left out: ${rule.title}. ${reason}\n`));
  stdout.write(text);
  return exitCodes.success;
}

function oneOf<Name extends string>(option: string, names: readonly Name[], given: string | undefined): Name {
  const name = names.find((candidate) => candidate === given);
  if (name !== undefined) return name;
  const got = given === undefined ? 'nothing' : JSON.stringify(given);
  throw new AgentError('ERR_CONFIGURATION', `${option}: expected one of ${names.join(', ')}, got ${got}`);
}

/** 7 days. Every evaluation of a rule on single events reads as far back. */
const delayMaxMs = 7 * 86_400_000;

function delayOf(given: string): number {
  const parsed = duration(0, '20m')(given);
  const got = `got ${JSON.stringify(given)}`;
  if (!('value' in parsed) || parsed.value % 60_000 !== 0)
    throw new AgentError('ERR_CONFIGURATION', `--delay: expected whole minutes such as 20m, ${got}`);
  if (parsed.value > delayMaxMs)
    throw new AgentError(
      'ERR_CONFIGURATION',
      `--delay: expected at most 7d, as the rules read so much more each time, ${got}`,
    );
  return parsed.value;
}
