/**
 * `preview`: shows how the lines of a file are mapped, and sends nothing. Readable and coloured on a terminal, OTLP/JSON
 * lines when piped.
 */
import { once } from 'node:events';
import { loadConfiguration } from '../config/index.ts';
import { previewLines } from '../preview.ts';
import { type CommandContext, type ExitCode, exitCodes } from './command.ts';
import { renderRecord } from './render-record.ts';

export async function preview(path: string, { environment, stdin, stdout, stop }: CommandContext): Promise<ExitCode> {
  const configuration = loadConfiguration({ DATABRICKS_AUDIT_SOURCE: '.', ...environment });
  const input = path === '-' ? stdin : path;
  for await (const line of previewLines(configuration.mapping, input, stop)) {
    const written = stdout.write(stdout.isTTY ? renderRecord(line) : `${line}\n`);
    if (!written) await once(stdout, 'drain', { signal: stop });
  }
  return exitCodes.success;
}
