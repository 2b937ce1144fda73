/**
 * The export, as the agent sees it: from a batch of lines to a final word on each of them.
 */

import type { Observer } from '../contracts/observer.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { Clock } from '../runtime/clock.ts';
import type { FaultDesk } from './failure-reporter.ts';
import type { HttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient } from './otlp-client.ts';
import { OtlpExporter } from './otlp-exporter.ts';

export type { OtlpResponse } from './collector-faults.ts';
export { type CollectorProbe, probeCollector } from './collector-probe.ts';
export { type ConsoleExporterParts, createConsoleExporter } from './console-exporter.ts';
export {
  type DeadLetter,
  deadLetterFiles,
  type LetterLine,
  readLetterLines,
} from './dead-letters/dead-letter-files.ts';
export type { DeadLetterReason, LetterFile, LetterFiles } from './dead-letters/dead-letters.ts';
export { ReplayedFile } from './dead-letters/replayed-file.ts';
export { createFaultDesk, type FaultDesk, type FaultDeskOptions } from './failure-reporter.ts';
export type { HttpTransport } from './http-transport.ts';
export type { OtlpExporter } from './otlp-exporter.ts';
export type { FailedAttempt } from './outage-watch.ts';

export interface OtlpExporterDependencies {
  /** The request body that carries the records of these lines, in the encoding of `OtlpOptions.protocol`. */
  readonly encode: (lines: readonly IdentifiedLine[]) => Uint8Array;
  /** One record as a line of OTLP/JSON, already redacted, without a line ending. */
  readonly toJsonLine: (line: IdentifiedLine) => string;
  readonly desk: FaultDesk;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
  /** The network, unless it is to be the real one. */
  readonly transport?: HttpTransport | undefined;
}

/** Throws ERR_CONFIGURATION when a certificate or key cannot be used. Opens no connection before it has to. */
export function createOtlpExporter(
  options: OtlpOptions,
  { transport, ...dependencies }: OtlpExporterDependencies,
): OtlpExporter {
  return new OtlpExporter({ client: createOtlpClient(options, dependencies.clock, transport), ...dependencies });
}
