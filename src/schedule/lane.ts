/**
 * A lane ships the workspaces of a source in parallel. Recent and older dates each have their own, so that a backfill does not
 * hold up new deliveries.
 */
import type { FoundBy, Observer } from '../contracts/observer.ts';
import type { Source } from '../contracts/source.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Logger } from '../runtime/logger.ts';
import { Semaphore } from '../runtime/semaphore.ts';
import { FaultLog } from './fault-log.ts';
import type { WaitingObjects } from './waiting-objects.ts';
import { Walks } from './walks.ts';

export interface Lane {
  readonly workspaces: Semaphore;
  readonly objects: Semaphore;
  /** Workspaces whose objects of an earlier listing are still being shipped. */
  readonly busy: Map<string, Promise<void>>;
  readonly walks: Walks;
  /** Listings and objects that failed and have to be tried again. */
  incompleteCount: number;
  /** `catchUp` until everything that was there at the start was listed. */
  foundBy: FoundBy;
  readonly faults: FaultLog;
  readonly waiting: WaitingObjects;
}

export interface LaneParts {
  /** Worker threads of the shipper; the limits grow with them, so that none is idle. */
  readonly workers?: number | undefined;
  readonly observe: Observer;
  readonly clock: Clock;
  readonly logger: Logger;
}

const workspacesAtOnce = 4;

/** @param otherFaults of the other lane: what it has logged is not logged again. */
export function createLane(
  source: Source,
  objectsAtOnce: number,
  { observe, clock, logger, workers = 1 }: LaneParts,
  waiting: WaitingObjects,
  otherFaults?: FaultLog,
): Lane {
  const forWorkers = 2 * workers; // While a worker waits for the last requests of one object, it reads another.
  return {
    workspaces: new Semaphore(Math.max(workspacesAtOnce, forWorkers)),
    objects: new Semaphore(Math.max(objectsAtOnce, forWorkers)),
    busy: new Map(),
    walks: new Walks(),
    incompleteCount: 0,
    foundBy: 'catchUp',
    faults: new FaultLog({ source: source.name, observe, clock, logger }, otherFaults),
    waiting,
  };
}
