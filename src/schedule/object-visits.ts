/**
 * Visits the objects that listings and notifications offer, and reports what came of it. The claim admits one visit to an object at a time,
 * of this process too. A listing looks again at an object that another visit holds. A notification comes again, since that visit may have
 * looked at the object before the notification was sent.
 */
import { type FoundBy, type Observer, toFault } from '../contracts/observer.ts';
import type { Candidate } from '../contracts/source.ts';
import { reached } from '../contracts/step.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { ObjectShipper } from '../pipeline/object-shipper.ts';
import type { Logger } from '../runtime/logger.ts';
import type { FaultLog } from './fault-log.ts';
import type { WaitingInWorkspace } from './waiting-objects.ts';

export interface ObjectVisitsParts {
  readonly shipper: Pick<ObjectShipper, 'ship'>;
  readonly observe: Observer;
  readonly logger: Logger;
  /** Called with an error that ends shipping. */
  readonly fail: (error: unknown) => void;
}

/** Where a candidate comes from, and where to report its faults. */
export interface VisitReport {
  readonly source: string;
  readonly foundBy: FoundBy;
  readonly faults: FaultLog;
  /** Undefined for a notification, which is not listed. */
  readonly waiting?: WaitingInWorkspace | undefined;
}

export class ObjectVisits {
  readonly #parts: ObjectVisitsParts;

  constructor(parts: ObjectVisitsParts) {
    this.#parts = parts;
  }

  /**
   * Visits the object and ends the candidate with the outcome. Only an object that is held elsewhere is left to the caller, who may try
   * again before ending it. Resolves to undefined after a fatal error.
   */
  async visit(candidate: Candidate, report: VisitReport, signal: AbortSignal): Promise<VisitOutcome | undefined> {
    reached('object listed', candidate.object.origin.id);
    try {
      const outcome = await this.#parts.shipper.ship(candidate.object, signal);
      if (outcome.status !== 'elsewhere') this.end(candidate, outcome, report);
      return outcome;
    } catch (error) {
      this.#parts.fail(error);
      return undefined;
    }
  }

  /** Reports the outcome of a visit and settles the candidate with it. */
  end({ object, settle }: Candidate, outcome: VisitOutcome, report: VisitReport): void {
    const { id, workspaceId } = object.origin;
    this.#report(object, outcome, report);
    this.#parts.observe({
      kind: 'objectVisited',
      source: report.source,
      foundBy: report.foundBy,
      objectId: id,
      workspaceId,
      status: outcome.status,
      sizeBytes: object.version.sizeBytes,
      fault: 'error' in outcome ? toFault(outcome.error) : undefined,
    });
    settle(outcome);
  }

  #report(object: DeliveredObject, outcome: VisitOutcome, { faults, waiting }: VisitReport): void {
    const fields = { object: object.origin.id };
    if (outcome.status !== 'released') faults.forget(fields);
    switch (outcome.status) {
      case 'released': {
        const message = 'Object could not be read completely; retrying at the next listing';
        const fault = faults.report(outcome.error, message, fields);
        if (fault === undefined && outcome.error.code === 'ERR_OBJECT_GONE') waiting?.done(object);
        else waiting?.notShipped(object, fault);
        break;
      }
      case 'damaged':
        waiting?.done(object);
        faults.report(outcome.error, 'Object is damaged; what could be decoded was shipped', fields);
        break;
      case 'elsewhere':
        waiting?.notShipped(object, undefined);
        break;
      default:
        if (outcome.status === 'growing') waiting?.notShipped(object, undefined);
        else waiting?.done(object);
        if ('error' in outcome)
          faults.report(outcome.error, 'Object was shipped, but not as records of audit events', fields);
        this.#parts.logger.debug({ ...fields, status: outcome.status }, 'Object visited');
    }
  }
}
