#!/usr/bin/env node
/**
 * Command-line entry point: turns argv and the environment into an exit code. The only file that uses `process` directly.
 */
import './runtime/small-heap.ts';

import { Command } from 'commander';
import { type CheckCommandOptions, check } from './commands/check.ts';
import { type CommandContext, type ExitCode, exitCodes, wasStopped } from './commands/command.ts';
import { type DetectionsCommandOptions, detections } from './commands/detections.ts';
import { type MappingShowOptions, type MappingTestOptions, mappingShow, mappingTest } from './commands/mapping.ts';
import { preview } from './commands/preview.ts';
import { type ReconcileCommandOptions, reconcile } from './commands/reconcile.ts';
import { type ReplayCommandOptions, replay } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { ship } from './commands/ship.ts';
import { stateInit } from './commands/state.ts';
import { type StateCopyOptions, stateCopy } from './commands/state-copy.ts';
import { status } from './commands/status.ts';
import { adviceOf, isAgentError } from './model/agent-error.ts';
import { createLogger } from './runtime/logger.ts';
import { outputError } from './runtime/output-error.ts';
import { packageVersion } from './runtime/package-version.ts';
import { printableLines } from './runtime/printable.ts';

const stop = new AbortController();
const context: CommandContext = {
  environment: process.env,
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  stop: stop.signal,
};

// A closed terminal or an ended session sends SIGHUP; the state deserves the same care then.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(exitCodes.failure);
    stop.abort(new Error(`stopped by ${signal}`));
  });
}

// The reader may end early, as in `status | head`; anything else is reported once the command ends.
let outputFailure: Error | undefined;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') outputFailure ??= error;
});
// Without standard error, nobody reads the log; shipping goes on.
process.stderr.on('error', () => {});

const program = new Command('databricks-audit-otel')
  .description('Ships Databricks audit logs to any OpenTelemetry collector: every event, once, under standard names.')
  .version(packageVersion)
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? exitCodes.success : exitCodes.misconfigured))
  .addHelpText(
    'after',
    `
Configured by environment variables; only DATABRICKS_AUDIT_SOURCE is required. docs/configuration.md lists them all.

Exit codes: 0 success; 1 something was rejected, unreadable or missing, a check failed, or a command other than run was stopped before its
end; 2 invalid configuration or command line;
3 reconcile: every line is accounted for, but some are waiting as dead letters.`,
  );

program
  .command('run', { isDefault: true })
  .description('ship continuously until stopped (default)')
  .allowExcessArguments()
  .action(async (_options: object, { args: [unknown] }: Command) => {
    // This is the default command, so it receives unknown command names as arguments.
    if (unknown !== undefined)
      program.error(`error: unknown command '${unknown}'; run with --help for a list of commands`, {
        exitCode: exitCodes.misconfigured,
      });
    await end(run(context), 'log');
    // The agent has closed everything of its own, but OpenTelemetry's exporters may still wait for an unreachable collector.
    setTimeout(() => process.exit(), 0).unref();
  });
program
  .command('ship')
  .description('ship everything that is there now, then exit')
  .argument('[source...]', 's3://bucket/prefix, a directory or another source (default: DATABRICKS_AUDIT_SOURCE)')
  .action((sources: string[]) => end(ship(sources, context), 'log'));
program
  .command('preview')
  .description('print the mapped records of a file without sending anything')
  .argument('<file>', 'a delivered file, compressed or not, or the URL of a source; - for standard input')
  .action((file: string) => end(preview(file, context)));
program
  .command('check')
  .description('check configuration, sources, state and collector, and explain how to fix what fails')
  .option(
    '--send-record',
    'also send a test record (event name databricks.audit.check) through the collector; it stays in the backend',
  )
  .allowExcessArguments()
  .action((options: CheckCommandOptions, { args: [source] }: Command) => {
    if (source !== undefined)
      program.error("error: 'check' takes no sources; it checks those of DATABRICKS_AUDIT_SOURCE", {
        exitCode: exitCodes.misconfigured,
      });
    return end(check(options, context));
  });
program
  .command('status')
  .description('show what has been delivered, by workspace and date')
  .option('--json', 'print JSON')
  .action((options: { json?: boolean }) => end(status(options, context)));
const state = program.command('state').description('manage a state that several replicas share');
state
  .command('init')
  .description('create the DynamoDB table or the PostgreSQL schema that DATABRICKS_AUDIT_STATE names')
  .action(() => end(stateInit(context)));
state
  .command('copy')
  .description(
    'copy the state that DATABRICKS_AUDIT_STATE names into another one, which must be new; stop the agents first',
  )
  .requiredOption('--to <state>', 'a directory, dynamodb://<table> or postgres://...')
  .action((options: StateCopyOptions) =>
    end(
      stateCopy(options, context),
      'text',
      'Stopped before the end; the copy is incomplete, and nothing uses it. Run the command again.',
    ),
  );
program
  .command('reconcile')
  .description(
    'compare the sources with what has been delivered, line by line; exits with 1 if anything is missing, and with 3 if dead letters are waiting',
  )
  .option('--json', 'print JSON')
  .option(
    '--repair',
    'ship missing lines and, with --against, send again what the backend is missing; no agent may be running on a state in a directory',
  )
  .option(
    '--against <backend>',
    'also compare with a backend: loki=<url> or elasticsearch=<url>[/<index>]; set its headers in DATABRICKS_AUDIT_AGAINST_HEADERS',
  )
  .option('--from <date>', 'first date partition to compare, yyyy-mm-dd')
  .option('--before <date>', 'end date, exclusive, yyyy-mm-dd')
  .addHelpText(
    'after',
    `
Can run beside an agent: lines in flight are not differences, nor are lines that are not due yet, in objects delivered within the
last five minutes (or two poll intervals, whichever is longer). If no other line is there, nothing is proved, and it exits with 1.
Reads every object, so it takes about as long as shipping them again.
docs/operations.md explains the columns.`,
  )
  .action((options: ReconcileCommandOptions) =>
    end(reconcile(options, context), 'text', 'Stopped before the end; nothing is proved.'),
  );
program
  .command('replay')
  .description('resend dead letters; those that are accepted are removed from their files')
  .option('--dry-run', 'only show what would be sent, by day and reason')
  .option('--json', 'print JSON')
  .option('--reason <text>', 'only dead letters whose reason contains this text')
  .option(
    '--status <code>',
    'only dead letters rejected with this HTTP status (200: partial success) or gRPC status (OK: partial success)',
  )
  .option('--from <date>', 'only dead letters rejected on or after this day (UTC, yyyy-mm-dd)')
  .option('--before <date>', 'only dead letters rejected before this day')
  .addHelpText(
    'after',
    `
Can run beside an agent; skips the file that the agent is writing. Records are byte-for-byte identical to the first attempt, so
a deduplicating backend drops those that it already has. Records that are rejected again are kept with the new reason, and the
exit code is 1.`,
  )
  .action((options: ReplayCommandOptions) => end(replay(options, context)));
const mapping = program.command('mapping').description('inspect and test the mapping');
mapping
  .command('show')
  .description('print the mapping that results from all layers')
  .option(
    '--mapping <layers>',
    'layers to use instead of DATABRICKS_AUDIT_MAPPING, such as databricks-audit,./ours.yaml',
  )
  .option('--json', 'print JSON')
  .action((options: MappingShowOptions) => end(mappingShow(options, context)));
mapping
  .command('test')
  .description('show how each field of the sample lines is mapped, and check golden pairs')
  .argument(
    '[sample]',
    'a file with sample lines, or the URL of a source, of whose newest object the first lines count',
  )
  .option(
    '--mapping <layers>',
    'layers to use instead of DATABRICKS_AUDIT_MAPPING, such as databricks-audit,./ours.yaml',
  )
  .option(
    '--golden <directory>',
    'a folder with input.jsonl and expected.json, or a folder of such folders; exits with 1 if any pair differs',
  )
  .option('--update', 'overwrite expected.json instead of comparing')
  .option('--json', 'print JSON')
  .action((sample: string | undefined, options: MappingTestOptions) => end(mappingTest(sample, options, context)));
program
  .command('detections')
  .description('write detection rules for Loki, Grafana, Kibana or any Sigma backend, in the names of your mapping')
  .option('--format <format>', 'loki, grafana, kibana, sigma, or sigma-pipeline (names for pySigma)')
  .option('--level <level>', 'the lowest level that is written: informational, low, medium, high, critical', 'low')
  .option('--delay <duration>', 'how late a record may be delivered and still be found', '20m')
  .option('--filters <directory>', 'Sigma filters (mf_*.yml): allow lists, joined by `and` to the rules that they name')
  .option('--mapping <layers>', 'instead of DATABRICKS_AUDIT_MAPPING, or of the layers for the format')
  .option('--all-in-one', 'loki: one query for all single-event rules of a level, which a large account can afford')
  .addHelpText(
    'after',
    `
Standard output is exactly the file; rules that a backend cannot hold are named on standard error. docs/detections.md has
every rule, with what it needs and what to do about an alert.`,
  )
  .action((options: DetectionsCommandOptions) => end(detections(options, context)));

await program.parseAsync();

/**
 * @param form of errors: lines of the log for commands that have one, unless a person is watching.
 * @param stopped what to say if a signal ended the command, which is a failure: only `run` has no other end.
 */
async function end(
  command: Promise<ExitCode>,
  form: 'log' | 'text' = 'text',
  stopped = 'Stopped before the end.',
): Promise<void> {
  try {
    process.exitCode = await command;
    // Commands with a log print records only, and the exporter reports those that it could not write.
    if (form === 'text') await throwOutputFailure();
  } catch (caught) {
    const error =
      outputFailure !== undefined && caught === outputFailure ? outputError('write', outputFailure) : caught;
    if (wasStopped(error, stop.signal)) {
      process.exitCode = exitCodes.failure;
      process.stderr.write(`${stopped}\n`);
      return;
    }
    process.exitCode = isAgentError(error, 'ERR_CONFIGURATION', 'ERR_MAPPING_FILE')
      ? exitCodes.misconfigured
      : exitCodes.failure;
    if (form === 'log' && !process.stderr.isTTY)
      createLogger('error', process.stderr).error({ err: error }, 'Stopped by an error');
    else process.stderr.write(explain(error));
  }
}

async function throwOutputFailure(): Promise<void> {
  // The stream reports the failure of the last write in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  if (outputFailure !== undefined) throw outputFailure;
}

function explain(error: unknown): string {
  if (!isAgentError(error)) return `${printableLines(String(error instanceof Error ? error.stack : error))}\n`;
  const advice = adviceOf(error);
  return printableLines(`${error.code}: ${error.message}\n${advice === undefined ? '' : `${advice}\n`}`);
}
