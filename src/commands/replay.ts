/**
 * `replay`: resends dead letters after the cause of their rejection has been fixed.
 */
import { statSync } from 'node:fs';
import { loadConfiguration } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { grpcStatusCode, responseCodeText } from '../model/response-code.ts';
import { locationText } from '../model/state-location.ts';
import { createLogger } from '../runtime/logger.ts';
import { printable } from '../runtime/printable.ts';
import {
  type DeadLetterOverview,
  type DeadLetterSelection,
  type ReplayResult,
  readDeadLetters,
  replay as send,
} from '../tools/replay.ts';
import {
  type CommandContext,
  canRedraw,
  count,
  counted,
  dateRange,
  type ExitCode,
  exitCodes,
  jsonLine,
  wasStopped,
  withDefaults,
} from './command.ts';
import { renderTable } from './table.ts';

export interface ReplayCommandOptions {
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly reason?: string;
  readonly status?: string;
  readonly from?: string;
  readonly before?: string;
}

export async function replay(options: ReplayCommandOptions, context: CommandContext): Promise<ExitCode> {
  const { environment, stdout, stderr, stop } = context;
  const configuration = loadConfiguration(withDefaults(environment, { DATABRICKS_AUDIT_SOURCE: 's3://any' }));
  const selection = readSelection(options);
  const { state, deadLetters } = configuration;
  const hasState = state.kind !== 'directory' || mayExist(state.path);
  if (deadLetters.kind === 'directory' && !hasState && !mayExist(deadLetters.path)) {
    stderr.write(`No state in ${printable(locationText(state))}, and no dead letters: check DATABRICKS_AUDIT_STATE.\n`);
    return exitCodes.failure;
  }
  if (options.dryRun) {
    const overview = await readDeadLetters(deadLetters, selection);
    stdout.write(options.json ? jsonLine(overview) : renderOverview(overview));
    return exitCodes.success;
  }
  const logger = createLogger(configuration.logLevel, stderr);
  let sofar = { acceptedCount: 0, refusedCount: 0 };
  const showsProgress = canRedraw(stderr, environment);
  const onProgress = ({ acceptedCount, refusedCount }: Readonly<ReplayResult>) => {
    sofar = { acceptedCount, refusedCount };
    if (showsProgress) stderr.write(`\r${count(acceptedCount)} accepted, ${count(refusedCount)} rejected again`);
  };
  let result: ReplayResult;
  try {
    result = await send(configuration, selection, { logger, stdout, onProgress }, stop);
  } catch (error) {
    if (!wasStopped(error, stop)) throw error;
    if (showsProgress) stderr.write(clearLine);
    // How many there are in all is unknown: the files were not read to their ends.
    stderr.write(`Stopped before the end: ${resentText(sofar)} Run replay again for the others.\n`);
    return exitCodes.failure;
  }
  if (showsProgress) stderr.write(clearLine);
  // With OTEL_LOGS_EXPORTER=console, standard output carries the records.
  const report = configuration.logsExporter === 'console' ? stderr : stdout;
  report.write(options.json ? jsonLine(result) : renderResult(result));
  const isComplete = result.refusedCount + result.unreadableCount + result.filesInUse.length === 0;
  return isComplete ? exitCodes.success : exitCodes.failure;
}

const clearLine = '\r\u001b[K';

/** True as well if this user may not look: then reading it says so. */
function mayExist(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return true;
  }
}

function readSelection({ reason, status, from, before }: ReplayCommandOptions): DeadLetterSelection {
  const code = status === undefined ? undefined : /^\d{1,3}$/.test(status) ? Number(status) : grpcStatusCode(status);
  if (status !== undefined && code === undefined) {
    throw new AgentError(
      'ERR_CONFIGURATION',
      `--status: expected an HTTP status, or a gRPC status such as INVALID_ARGUMENT or 3, got ${JSON.stringify(status)}`,
    );
  }
  return { reason, code, ...dateRange({ from, before }) };
}

function renderOverview({ groups, selectedCount, otherCount, unreadableCount }: DeadLetterOverview): string {
  const rows = groups.map(({ date, response, reason, count: letters }) => [
    date,
    responseCodeText(response),
    count(letters),
    printable(reason, 100),
  ]);
  const table = groups.length === 0 ? '' : `${renderTable(['rejected', 'status', 'records', 'reason'], rows)}\n`;
  return `${table}${counted(selectedCount, 'dead letter')} would be resent.${rest(otherCount, unreadableCount)}\n`;
}

/** For the commands that leave dead letters behind, or find some. */
export function waitingText(waitingCount: number): string {
  const are = waitingCount === 1 ? 'is' : 'are';
  return `${counted(waitingCount, 'dead letter')} ${are} not in the backend. Fix the cause, then run: databricks-audit-otel replay`;
}

function renderResult(result: ReplayResult): string {
  const { otherCount, unreadableCount, filesInUse } = result;
  const lines = [
    `${resentText(result)}${rest(otherCount, unreadableCount)}`,
    ...filesInUse.map((path) => `Skipped because it is in use: ${printable(path, 1_000)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function resentText({ acceptedCount, refusedCount }: Pick<ReplayResult, 'acceptedCount' | 'refusedCount'>): string {
  const resent = counted(acceptedCount + refusedCount, 'dead letter');
  return `${resent} resent: ${count(acceptedCount)} accepted, ${count(refusedCount)} rejected again and kept.`;
}

function rest(otherCount: number, unreadableCount: number): string {
  const others = otherCount === 0 ? '' : ` ${counted(otherCount, 'other')} kept.`;
  return unreadableCount === 0 ? others : `${others} ${counted(unreadableCount, 'unreadable line')} kept.`;
}
