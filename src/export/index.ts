/**
 * Delivers batches of records to a collector, to standard output, or to dead-letter files.
 */

import type { Observer } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { FailureReporter } from './failure-reporter.ts';
import type { OtlpOptions } from './options.ts';
import { createOtlpClient } from './otlp-client.ts';
import { OtlpExporter } from './otlp-exporter.ts';
import type { OtlpTransport } from './otlp-transport.ts';
import { SettingsProbe } from './settings-probe.ts';

export { type CollectorProbe, probeCollector } from './collector-probe.ts';
export { createConsoleExporter } from './console-exporter.ts';
export type { DeadLetterFile, DeadLetterFiles } from './dead-letters/dead-letter-file-writer.ts';
export type { DeadLetter, DeadLetterLine } from './dead-letters/dead-letter-files.ts';
export { type DeadLetterStore, openDeadLetterStore, type ReplayedLetters } from './dead-letters/dead-letter-store.ts';
export type { DeadLetterReason } from './dead-letters/dead-letters.ts';
export { inspectDeadLetters } from './dead-letters/inspection.ts';
export type { DeadLetterLocation } from './dead-letters/location.ts';
export type { WaitingDeadLetters } from './dead-letters/waiting-dead-letters.ts';
export { createFailureReporter, type FailureReporter, type FailureReporterOptions } from './failure-reporter.ts';
export type { OtlpExporter } from './otlp-exporter.ts';
export type { HttpResponse, OtlpResponse, OtlpTransport } from './otlp-transport.ts';
export type { FailedAttempt } from './outage-watch.ts';

export interface OtlpExporterDependencies {
  readonly failures: FailureReporter;
  readonly clock: Clock;
  readonly observe?: Observer | undefined;
  /** Replaces the real network. */
  readonly transport?: OtlpTransport | undefined;
}

/** Throws ERR_CONFIGURATION if a certificate or key cannot be used. Connects only when the first request is sent. */
export function createOtlpExporter(
  options: OtlpOptions,
  { transport, ...dependencies }: OtlpExporterDependencies,
): OtlpExporter {
  const client = createOtlpClient(options, dependencies.clock, transport);
  const settings = new SettingsProbe(client, options, dependencies.clock);
  return new OtlpExporter({ client, settings, ...dependencies });
}
