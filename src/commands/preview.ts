/**
 * `preview`: shows how the lines of a file or a source are mapped, without sending anything. Human-readable on a terminal, OTLP/JSON lines when
 * piped.
 */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { loadConfiguration } from '../config/index.ts';
import { AgentError } from '../model/agent-error.ts';
import { printableJson } from '../runtime/printable.ts';
import { previewLines } from '../tools/preview.ts';
import { type CommandContext, type ExitCode, exitCodes, isSourceUrl, withDefaults, withoutState } from './command.ts';
import { renderRecord } from './render-record.ts';

export async function preview(path: string, { environment, stdin, stdout, stop }: CommandContext): Promise<ExitCode> {
  // As a path it would be the working directory, with everything in it.
  if (path === '')
    throw new AgentError('ERR_CONFIGURATION', 'preview: expected a file, - or the URL of a source, got nothing');
  const isUrl = isSourceUrl(path);
  const source = isUrl ? { DATABRICKS_AUDIT_SOURCE: path } : {};
  const settings = { ...withoutState(environment), ...source };
  const configuration = loadConfiguration(withDefaults(settings, { DATABRICKS_AUDIT_SOURCE: '.' }));
  const input = isUrl ? undefined : path === '-' ? stdin : path;
  const render = stdout.isTTY ? renderRecord : (line: string) => `${printableJson(line)}\n`;
  const records = Readable.from(previewLines(configuration, input, stop)).map(render);
  await pipeline(records, stdout, { end: false, signal: stop }).catch(ignoreClosedPipe);
  return exitCodes.success;
}

/** With `preview ... | head`, the reader closes the pipe early. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}
