/**
 * `check`: verifies that everything needed for shipping works, and explains how to fix what does not.
 */
import { styleText } from 'node:util';
import { loadConfiguration } from '../config/index.ts';
import { printableLines } from '../runtime/printable.ts';
import { type CheckResult, runChecks } from '../tools/check.ts';
import { type CommandContext, type ExitCode, exitCodes } from './command.ts';

const marks = {
  ok: ['green', 'ok     '],
  warning: ['yellow', 'warning'],
  failed: ['red', 'FAILED '],
  skipped: ['dim', '-      '],
} as const;

export interface CheckCommandOptions {
  readonly sendRecord?: boolean;
}

export async function check(
  options: CheckCommandOptions,
  { environment, stdout, stop }: CommandContext,
): Promise<ExitCode> {
  const configuration = loadConfiguration(environment);
  stdout.write(render({ status: 'ok', message: 'configuration is valid' }, stdout));
  let failed = false;
  for await (const result of runChecks(configuration, stop, options)) {
    // What failed because of the signal says nothing about the settings.
    stop.throwIfAborted();
    stdout.write(render(result, stdout));
    failed ||= result.status === 'failed';
  }
  return failed ? exitCodes.failure : exitCodes.success;
}

function render({ status, message, hint }: CheckResult, stream: NodeJS.WriteStream): string {
  const [colour, mark] = marks[status];
  const indented = printableLines(message).replaceAll('\n', '\n        ');
  const advice = hint === undefined ? '' : `        ${printableLines(hint).replaceAll('\n', '\n        ')}\n`;
  return `${styleText(colour, mark, { stream })} ${indented}\n${advice}`;
}
