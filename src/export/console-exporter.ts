/**
 * OTEL_LOGS_EXPORTER=console: writes one line of OTLP/JSON per record to standard output (OpenTelemetry specification,
 * protocol/file-exporter.md). A record counts as accepted once the stream has accepted it.
 */
import type { Writable } from 'node:stream';
import type { Batch, BatchEnd, Exporter } from '../contracts/exporter.ts';
import { outputError } from '../runtime/output-error.ts';
import { printableJson } from '../runtime/printable.ts';

export function createConsoleExporter(output: Writable): Exporter {
  // A failed write rejects its batch; without a listener, it would also end the process.
  const ignore = () => {};
  output.on('error', ignore);

  return {
    async export(batch: Batch, signal: AbortSignal): Promise<BatchEnd> {
      await write(
        output,
        batch
          .toJsonLines()
          .map((jsonLine) => `${printableJson(jsonLine)}\n`)
          .join(''),
        signal,
      );
      return { acceptedCount: batch.recordCount, deadLetteredCount: 0 };
    },
    async close() {
      output.off('error', ignore);
    },
  };
}

/** Waits for the stream, so that a slow reader slows the agent down instead of filling its memory. */
function write(output: Writable, text: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abandon = () => reject(signal.reason);
    signal.addEventListener('abort', abandon, { once: true });
    output.write(text, (error) => {
      signal.removeEventListener('abort', abandon);
      if (error) reject(outputError('write records', error));
      else resolve();
    });
  });
}
