/**
 * Process-wide failure reporting. One instance serves all exporters, so that an outage is reported once and dead letters go to
 * one file.
 */
import type { Observer } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { SampledLog } from '../runtime/sampled-log.ts';
import { type DeadLetterFiles, DeadLetters } from './dead-letters/dead-letters.ts';
import { OutageWatch } from './outage-watch.ts';

export interface FailureReporter {
  readonly outages: Pick<OutageWatch, 'failed' | 'answered'>;
  readonly deadLetters: Pick<DeadLetters, 'write' | 'close'>;
  readonly log: Pick<SampledLog, 'write'>;
}

export interface FailureReporterOptions {
  readonly deadLettersDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: Observer;
  /** Replaces the real file system. */
  readonly deadLetterFiles?: DeadLetterFiles | undefined;
}

/** Does not open a file before the first dead letter. */
export function createFailureReporter(options: FailureReporterOptions): FailureReporter {
  const { deadLettersDirectory, clock, logger, observe, deadLetterFiles } = options;
  return {
    outages: new OutageWatch(clock, logger, observe),
    deadLetters: new DeadLetters({ directory: deadLettersDirectory, files: deadLetterFiles }, clock, logger, observe),
    log: new SampledLog(clock, logger),
  };
}
