/**
 * OTEL_LOGS_EXPORTER=console: one line of OTLP/JSON a record, to standard output (OpenTelemetry specification,
 * protocol/file-exporter.md). A line counts as accepted once the stream has taken it.
 */
import type { Writable } from 'node:stream';
import type { Batch, BatchEnd, Exporter } from '../contracts/exporter.ts';
import { AgentError, messageOf } from '../model/agent-error.ts';
import type { IdentifiedLine } from '../model/line.ts';
import { printableJson } from '../runtime/printable.ts';

export interface ConsoleExporterParts {
  readonly output: Writable;
  /** One record as a line of OTLP/JSON, already redacted, without a line ending. */
  readonly toJsonLine: (line: IdentifiedLine) => string;
}

export function createConsoleExporter({ output, toJsonLine }: ConsoleExporterParts): Exporter {
  // A failed write is told to its batch; without a listener the stream would end the process as well.
  const ignore = () => {};
  output.on('error', ignore);

  return {
    async export(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
      await write(output, batch.lines.map((line) => `${printableJson(toJsonLine(line))}\n`).join(''), signal);
      return { acceptedCount: batch.lineCount, deadLetteredCount: 0 };
    },
    async close() {
      output.off('error', ignore);
    },
  };
}

/** Waits for the stream, so a slow reader slows the agent instead of filling its memory. */
function write(output: Writable, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abandon = () => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    output.write(text, (error) => {
      signal.removeEventListener('abort', abandon);
      if (error) reject(outputError(error));
      else resolve();
    });
  });
}

function outputError(cause: Error): AgentError {
  return new AgentError('ERR_EXPORT_UNAVAILABLE', `Could not write records to standard output: ${messageOf(cause)}`, {
    cause,
    hint: 'Whatever read the output has ended; start both again and the rest is shipped.',
  });
}
