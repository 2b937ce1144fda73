/**
 * The context and exit codes of all commands, and formatting that they share.
 */
import type { Environment } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { printableJson } from '../runtime/printable.ts';

export { count, counted } from '../runtime/counted.ts';

export interface CommandContext {
  readonly environment: Environment;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborts on SIGTERM, SIGINT or SIGHUP. */
  readonly stop: AbortSignal;
}

export const exitCodes = {
  success: 0,
  /** Something was dead-lettered, could not be read or is missing, a check failed, or the command was stopped before its end. */
  failure: 1,
  /** The command line, the configuration or a mapping file is invalid; nothing was read or sent. */
  misconfigured: 2,
  /** `reconcile`: every line is accounted for, but some were not delivered: they are waiting as dead letters. */
  undelivered: 3,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Whether a signal ended the command: Node.js puts an AbortError of its own in place of the reason in some places. */
export function wasStopped(error: unknown, stop: AbortSignal): boolean {
  return stop.aborted && (error === stop.reason || (error instanceof Error && error.name === 'AbortError'));
}

/** Whether a line that was written can be overwritten: not in a log file, nor on a terminal that knows no control sequences. */
export function canRedraw(stream: Pick<NodeJS.WriteStream, 'isTTY'>, environment: Environment): boolean {
  return stream.isTTY && environment.TERM !== 'dumb';
}

/** The environment, with any sources from the command line in place of DATABRICKS_AUDIT_SOURCE. */
export function withSources(environment: Environment, sources: readonly string[]): Environment {
  return sources.length === 0 ? environment : { ...environment, DATABRICKS_AUDIT_SOURCE: sources.join(',') };
}

/** The environment, with these values where it says nothing. With `NAME: ${NAME}`, Compose passes a variable that is not set as empty. */
export function withDefaults(environment: Environment, defaults: Environment): Environment {
  const set = Object.entries(environment).filter(([, text]) => text !== undefined && text !== '');
  return { ...defaults, ...Object.fromEntries(set) };
}

/**
 * For commands that ship nothing: the environment as if it said nothing about the state. A state that replicas share would demand a
 * bucket for dead letters and refuse the default source.
 */
export function withoutState(environment: Environment): Environment {
  return {
    ...environment,
    DATABRICKS_AUDIT_STATE: undefined,
    DATABRICKS_AUDIT_DEAD_LETTERS: undefined,
    DATABRICKS_AUDIT_QUEUE: undefined,
  };
}

/**
 * The dates that `--from` and `--before` select.
 * @throws AgentError ERR_CONFIGURATION
 */
export function dateRange(options: { readonly from?: string | undefined; readonly before?: string | undefined }): {
  readonly from: string | undefined;
  readonly before: string | undefined;
} {
  const [from, before] = [dateOption('--from', options.from), dateOption('--before', options.before)];
  if (from === undefined || before === undefined || from < before) return { from, before };
  throw new AgentError('ERR_CONFIGURATION', `--before: expected a date after that of --from, ${from}, got ${before}`, {
    hint: '--from is the first date, and --before the first one that is left out.',
  });
}

function dateOption(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  // Date.parse takes the 30th of February for the 2nd of March.
  const isDate = !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
  if (isDate) return text;
  throw new AgentError('ERR_CONFIGURATION', `${name}: expected a date such as 2026-01-31, got ${JSON.stringify(text)}`);
}

/** Machine-readable, and safe to print on a terminal. */
export function jsonLine(value: unknown): string {
  return `${printableJson(JSON.stringify(value))}\n`;
}

/** Whether an argument is the URL of a source, and no path. */
export function isSourceUrl(argument: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(argument);
}
