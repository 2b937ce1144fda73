#!/usr/bin/env node
/**
 * From argv and environment to an exit code: the only file that knows `process`.
 */
import './runtime/small-heap.ts';

import { Command } from 'commander';
import { type CheckCommandOptions, check } from './commands/check.ts';
import { type CommandContext, type ExitCode, exitCodes } from './commands/command.ts';
import { type DetectionsCommandOptions, detections } from './commands/detections.ts';
import { type MappingShowOptions, type MappingTestOptions, mappingShow, mappingTest } from './commands/mapping.ts';
import { preview } from './commands/preview.ts';
import { type ReconcileCommandOptions, reconcile } from './commands/reconcile.ts';
import { type ReplayCommandOptions, replay } from './commands/replay.ts';
import { run } from './commands/run.ts';
import { ship } from './commands/ship.ts';
import { status } from './commands/status.ts';
import { isAgentError } from './model/agent-error.ts';
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

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(exitCodes.failure);
    stop.abort(new Error(`stopped by ${signal}`));
  });
}

const program = new Command('databricks-audit-otel')
  .description('Ships Databricks audit logs to any OpenTelemetry collector: every event, once, under standard names.')
  .version(packageVersion)
  .addHelpText(
    'after',
    `
Configuration is by environment variable: DATABRICKS_AUDIT_SOURCE is the one that is required. docs/configuration.md lists all.

Exit codes: 0 all is well, 1 something was refused, unreadable or not as it should be, 2 the configuration is wrong.`,
  );

program
  .command('run', { isDefault: true })
  .description('ship and keep shipping (the default)')
  .allowExcessArguments()
  .action(async (_options: object, { args: [unknown] }: Command) => {
    // Whatever is no command comes here, because this one is the default.
    if (unknown !== undefined)
      program.error(`error: unknown command '${unknown}'; --help lists them`, { exitCode: exitCodes.misconfigured });
    await end(run(context));
    // OpenTelemetry's exporters may still wait for a collector that is gone; everything of ours is closed.
    setTimeout(() => process.exit(), 0).unref();
  });
program
  .command('ship')
  .description('ship what is there now, once')
  .argument('[source...]', 's3://bucket/prefix or a directory; DATABRICKS_AUDIT_SOURCE when none is given')
  .action((sources: string[]) => end(ship(sources, context)));
program
  .command('preview')
  .description('print the mapped records of a file, and send nothing')
  .argument('<file>', 'a delivered file, compressed or not, or - for standard input')
  .action((file: string) => end(preview(file, context)));
program
  .command('check')
  .description('try configuration, sources, state and collector, and say what to do about what fails')
  .option(
    '--send-record',
    'send one record through the collector too, event name databricks.audit.check; it stays in the backend',
  )
  .action((options: CheckCommandOptions) => end(check(options, context)));
program
  .command('status')
  .description('print what was delivered, per workspace and date')
  .option('--json', 'as JSON')
  .action((options: { json?: boolean }) => end(status(options, context)));
program
  .command('reconcile')
  .description('compare the bucket with what was delivered, line by line; exit code 1 when something is missing')
  .option('--json', 'as JSON')
  .option('--repair', 'ship what is missing; no agent may run beside it')
  .option(
    '--against <backend>',
    'compare with what a backend holds too: loki=<url>, or elasticsearch=<url>[/<index>]; headers for it are in DATABRICKS_AUDIT_AGAINST_HEADERS',
  )
  .option('--from <date>', 'the first date partition, yyyy-mm-dd')
  .option('--before <date>', 'the first date partition that is left out')
  .addHelpText(
    'after',
    `
Works while an agent runs: lines under way are no difference, nor are objects that were delivered within the last five
minutes (or two poll intervals, if that is longer). Every object is read, so it takes as long as shipping it again, about.
docs/operations.md says what the columns mean.`,
  )
  .action((options: ReconcileCommandOptions) => end(reconcile(options, context)));
program
  .command('replay')
  .description('send dead letters again; those that are accepted leave their files')
  .option('--dry-run', 'only print what would be sent, by day and reason')
  .option('--json', 'as JSON')
  .option('--reason <text>', 'only letters with this text in their reason')
  .option('--status <code>', 'only letters that were refused with this HTTP status; 200 is a partial success')
  .option('--from <date>', 'only letters that were refused on this day (UTC, yyyy-mm-dd) or later')
  .option('--before <date>', 'only letters that were refused before this day')
  .addHelpText(
    'after',
    `
Works while an agent runs; the file that the agent is writing is left alone. Records are sent byte for byte as the first time,
so a backend that stored one already drops it. What is refused again is kept, with the new reason, and the exit code is 1.`,
  )
  .action((options: ReplayCommandOptions) => end(replay(options, context)));
const mapping = program.command('mapping').description('see and try the mapping, for layers of your own');
mapping
  .command('show')
  .description('print the table that comes out of all layers')
  .option('--mapping <layers>', 'instead of DATABRICKS_AUDIT_MAPPING, such as databricks-audit,./ours.yaml')
  .option('--json', 'as JSON')
  .action((options: MappingShowOptions) => end(mappingShow(options, context)));
mapping
  .command('test')
  .description('show what becomes of each field of sample lines, and check golden pairs')
  .argument('[sample]', 'a file with delivered lines')
  .option('--mapping <layers>', 'instead of DATABRICKS_AUDIT_MAPPING, such as databricks-audit,./ours.yaml')
  .option(
    '--golden <directory>',
    'a folder with input.jsonl and expected.json, or a folder of such; exit code 1 when one differs',
  )
  .option('--update', 'write expected.json instead of comparing with it')
  .option('--json', 'as JSON')
  .action((sample: string | undefined, options: MappingTestOptions) => end(mappingTest(sample, options, context)));
program
  .command('detections')
  .description('write detection rules for Loki, Grafana, Kibana or any Sigma backend, in the names of your mapping')
  .option('--format <format>', 'loki, grafana, kibana, sigma, or sigma-pipeline (names for pySigma)')
  .option('--level <level>', 'the lowest level that is written: informational, low, medium, high, critical', 'low')
  .option('--delay <duration>', 'how late a record may be delivered and still be found', '20m')
  .option('--filters <directory>', 'Sigma filters (mf_*.yml): what they select is left out of the rules that they name')
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

async function end(command: Promise<ExitCode>): Promise<void> {
  try {
    process.exitCode = await command;
  } catch (error) {
    if (stop.signal.aborted && error === stop.signal.reason) return;
    process.exitCode = isAgentError(error, 'ERR_CONFIGURATION', 'ERR_MAPPING_FILE')
      ? exitCodes.misconfigured
      : exitCodes.failure;
    process.stderr.write(explain(error));
  }
}

function explain(error: unknown): string {
  if (!isAgentError(error)) return `${printableLines(String(error instanceof Error ? error.stack : error))}\n`;
  return printableLines(`${error.code}: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`);
}
