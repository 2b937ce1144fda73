/**
 * Where it is told and written down what did not go smoothly. One failures serves the whole process, so that an outage is one story
 * and dead letters go to one file, however many exporters send.
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
  /** The file system, unless it is to be the real one. */
  readonly deadLetterFiles?: DeadLetterFiles | undefined;
}

/** Opens no file before the first dead letter. */
export function createFailureReporter(options: FailureReporterOptions): FailureReporter {
  const { deadLettersDirectory, clock, logger, observe, deadLetterFiles } = options;
  return {
    outages: new OutageWatch(clock, logger, observe),
    deadLetters: new DeadLetters({ directory: deadLettersDirectory, files: deadLetterFiles }, clock, logger, observe),
    log: new SampledLog(clock, logger),
  };
}
