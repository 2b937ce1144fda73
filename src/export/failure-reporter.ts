/**
 * Where it is told and written down what did not go smoothly. One desk serves the whole process, so that an outage is one story
 * and dead letters go to one file, however many exporters send.
 */
import type { Observer } from '../contracts/observer.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { SampledLog } from '../runtime/sampled-log.ts';
import { DeadLetters, type LetterFiles } from './dead-letters/dead-letters.ts';
import { OutageWatch } from './outage-watch.ts';

export interface FaultDesk {
  readonly outages: Pick<OutageWatch, 'failed' | 'answered'>;
  readonly deadLetters: Pick<DeadLetters, 'write' | 'close'>;
  readonly log: Pick<SampledLog, 'write'>;
}

export interface FaultDeskOptions {
  readonly deadLettersDirectory: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observe: Observer;
  /** The disk, unless it is to be the real one. */
  readonly letterFiles?: LetterFiles | undefined;
}

/** Opens no file before it has to. */
export function createFaultDesk(options: FaultDeskOptions): FaultDesk {
  const { deadLettersDirectory, clock, logger, observe, letterFiles } = options;
  return {
    outages: new OutageWatch(clock, logger, observe),
    deadLetters: new DeadLetters({ directory: deadLettersDirectory, files: letterFiles }, clock, logger, observe),
    log: new SampledLog(clock, logger),
  };
}
