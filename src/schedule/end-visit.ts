/**
 * What follows from the outcome of a visit: the log, the counts, and the answer to whoever offered the object.
 */
import { type Observer, toFault } from '../contracts/observer.ts';
import type { Candidate } from '../contracts/source.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { DeliveredObject } from '../model/object.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Lane } from './lane.ts';
import type { WaitingInWorkspace } from './waiting-objects.ts';

export interface VisitContext {
  /** Name of the source. */
  readonly source: string;
  readonly lane: Lane;
  readonly waiting: WaitingInWorkspace;
  readonly observe: Observer;
  readonly logger: Logger;
}

export function endVisit(context: VisitContext, { object, settle }: Candidate, outcome: VisitOutcome): void {
  const { source, lane, observe } = context;
  const { id, workspaceId } = object.origin;
  if (outcome.status === 'released' || outcome.status === 'elsewhere') lane.incompleteCount++;
  report(context, object, outcome);
  observe({
    kind: 'objectVisited',
    source,
    objectId: id,
    workspaceId,
    status: outcome.status,
    sizeBytes: object.version.sizeBytes,
    fault: 'error' in outcome ? toFault(outcome.error) : undefined,
  });
  settle(outcome);
}

function report(
  { lane: { faults }, waiting, logger }: VisitContext,
  object: DeliveredObject,
  outcome: VisitOutcome,
): void {
  const fields = { object: object.origin.id };
  if (outcome.status !== 'released') faults.forget(fields);
  switch (outcome.status) {
    case 'released': {
      const message = 'Object could not be read completely; retrying at the next listing';
      const fault = faults.report(outcome.error, message, fields);
      if (fault === undefined && outcome.error.code === 'ERR_OBJECT_GONE') waiting.done(object);
      else waiting.notShipped(object, fault);
      break;
    }
    case 'damaged':
      waiting.done(object);
      faults.report(outcome.error, 'Object is damaged; what could be decoded was shipped', fields);
      break;
    case 'elsewhere':
      waiting.notShipped(object, undefined);
      break;
    default:
      if (outcome.status === 'growing') waiting.notShipped(object, undefined);
      else waiting.done(object);
      if ('error' in outcome) faults.report(outcome.error, 'Object is not one JSON object per line', fields);
      logger.debug({ ...fields, status: outcome.status }, 'Object visited');
  }
}
