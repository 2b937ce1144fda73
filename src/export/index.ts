/**
 * The part that delivers batches of records: to a collector, to standard output, or to the dead letters.
 */

import type { Observer } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { FailureReporter } from './failure-reporter.ts';
import type { HttpTransport } from './http-transport.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient } from './otlp-client.ts';
import { OtlpExporter } from './otlp-exporter.ts';

export type { OtlpResponse } from './collector-faults.ts';
export { type CollectorProbe, probeCollector } from './collector-probe.ts';
export { createConsoleExporter } from './console-exporter.ts';
export {
  type DeadLetter,
  type DeadLetterLine,
  listDeadLetterFiles,
  readDeadLetterLines,
} from './dead-letters/dead-letter-files.ts';
export type { DeadLetterFile, DeadLetterFiles, DeadLetterReason } from './dead-letters/dead-letters.ts';
export { ReplayedFile } from './dead-letters/replayed-file.ts';
export { DeadLetterCount, type WaitingDeadLetters } from './dead-letters/waiting-dead-letters.ts';
export { createFailureReporter, type FailureReporter, type FailureReporterOptions } from './failure-reporter.ts';
export type { HttpTransport } from './http-transport.ts';
export type { OtlpExporter } from './otlp-exporter.ts';
export type { FailedAttempt } from './outage-watch.ts';

export interface OtlpExporterDependencies {
  readonly failures: FailureReporter;
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
