/**
 * Process-wide failure reporting. One instance serves all exporters, so that an outage is reported once and dead letters go to
 * one file.
 */
import type { Observer } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { SampledLog } from '../runtime/sampled-log.ts';
import type { DeadLetterFiles } from './dead-letters/dead-letter-file-writer.ts';
import { createDeadLetterWriter } from './dead-letters/dead-letter-store.ts';
import { DeadLetters } from './dead-letters/dead-letters.ts';
import type { DeadLetterLocation } from './dead-letters/location.ts';
import { type OnLastingOutage, OutageWatch } from './outage-watch.ts';

export interface FailureReporter {
  readonly outages: Pick<OutageWatch, 'failed' | 'answered'>;
  readonly deadLetters: Pick<DeadLetters, 'write' | 'close'>;
  /** Without what `write` returns: a worker thread does not wait for it. */
  readonly log: { write(...line: Parameters<SampledLog['write']>): void };
}

export interface FailureReporterOptions {
  readonly deadLetters: DeadLetterLocation;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: Observer;
  /** Called at each failed attempt once the collector has accepted nothing for some minutes. */
  readonly onLastingOutage?: OnLastingOutage | undefined;
  /** Replaces the real file system. */
  readonly deadLetterFiles?: DeadLetterFiles | undefined;
}

/** Does not open a file or contact a bucket before the first dead letter. */
export function createFailureReporter(
  options: FailureReporterOptions,
): FailureReporter & { readonly outages: Pick<OutageWatch, 'probed'> } {
  const { clock, logger, observe, onLastingOutage, deadLetterFiles } = options;
  const writer = createDeadLetterWriter(options.deadLetters, clock, deadLetterFiles);
  return {
    outages: new OutageWatch(clock, logger, observe, onLastingOutage),
    deadLetters: new DeadLetters(writer, clock, logger, observe),
    log: new SampledLog(clock, logger),
  };
}
