#!/usr/bin/env node
/**
 * From argv and environment to an exit code: the only file that knows `process`.
 */
import { Command } from 'commander';
import { check } from './commands/check.ts';
import { type CommandContext, type ExitCode, exitCodes } from './commands/command.ts';
import { preview } from './commands/preview.ts';
import { run } from './commands/run.ts';
import { ship } from './commands/ship.ts';
import { status } from './commands/status.ts';
import { isAgentError } from './model/agent-error.ts';
import { packageVersion } from './runtime/package-version.ts';
import { keepHeapSmall } from './runtime/small-heap.ts';

keepHeapSmall();

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
  .action(() => end(check(context)));
program
  .command('status')
  .description('print what was delivered, per workspace and date')
  .option('--json', 'as JSON')
  .action((options: { json?: boolean }) => end(status(options, context)));

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
  if (!isAgentError(error)) return `${error instanceof Error ? error.stack : String(error)}\n`;
  return `${error.code}: ${error.message}\n${error.hint === undefined ? '' : `${error.hint}\n`}`;
}
