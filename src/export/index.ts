/**
 * The export, as the agent sees it: from a batch of lines to a final word on each of them.
 */
import type { IdentifiedLine } from '../model/line.ts';
import type { Observer } from '../observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { DeadLetters, type LetterFiles } from './dead-letters.ts';
import type { HttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient } from './otlp-client.ts';
import { OtlpExporter } from './otlp-exporter.ts';

export type { OtlpResponse } from './collector-faults.ts';
export { type CollectorProbe, probeCollector } from './collector-probe.ts';
export { type ConsoleExporterParts, createConsoleExporter } from './console-exporter.ts';
export { type DeadLetter, deadLetterFiles, type LetterLine, readLetterLines } from './dead-letter-files.ts';
export type { LetterFile, LetterFiles } from './dead-letters.ts';
export type { HttpTransport } from './http-transport.ts';
export type { OtlpExporter } from './otlp-exporter.ts';
export { ReplayedFile } from './replayed-file.ts';

export interface OtlpExporterDependencies {
  /** The request body that carries the records of these lines, in the encoding of `OtlpOptions.protocol`. */
  readonly encode: (lines: readonly IdentifiedLine[]) => Uint8Array;
  /** One record as a line of OTLP/JSON, already redacted, without a line ending. */
  readonly toJsonLine: (line: IdentifiedLine) => string;
  readonly deadLettersDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe?: Observer | undefined;
  /** The network and the disk, unless they are to be the real ones. */
  readonly transport?: HttpTransport | undefined;
  readonly letterFiles?: LetterFiles | undefined;
}

/** Throws ERR_CONFIGURATION when a certificate or key cannot be used. Opens no connection and no file before it has to. */
export function createOtlpExporter(options: OtlpOptions, dependencies: OtlpExporterDependencies): OtlpExporter {
  const { encode, toJsonLine, deadLettersDirectory, clock, logger, observe, transport, letterFiles } = dependencies;
  const client = createOtlpClient(options, clock, transport);
  const deadLetters = new DeadLetters({ directory: deadLettersDirectory, files: letterFiles }, clock, logger, observe);
  return new OtlpExporter({ client, deadLetters, encode, toJsonLine, clock, logger, observe });
}
