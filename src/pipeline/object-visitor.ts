/**
 * Ships the new lines in one version of one object. docs/delivery.md describes the steps and the effect of a kill at each:
 *
 *   open → verify the settled prefix → identify lines → batch → announce → export → settle → finish
 *
 * If the prefix is not what was settled, the object was rewritten, reordered or truncated: it is read again from the start,
 * and each line is compared with what was settled.
 */
import type { Claim, ObjectState } from '../contracts/delivery-state.ts';
import { toFault } from '../contracts/observer.ts';
import { reached } from '../contracts/step.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import { AgentError, isAgentError, isFatal } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';
import { LineHasher } from './line-hash.ts';
import { ObjectReading } from './object-reading.ts';
import type { Visitor } from './object-shipper.ts';
import { startOfObject } from './prefix-digest.ts';
import type { ShippingParts } from './shipping-parts.ts';

export class ObjectVisitor implements Visitor {
  readonly #parts: ShippingParts;
  readonly #hasher: LineHasher;

  constructor(parts: ShippingParts) {
    this.#parts = parts;
    this.#hasher = new LineHasher(parts.hashSecret);
  }

  async visit(object: DeliveredObject, claim: Claim, stop: AbortSignal): Promise<VisitOutcome> {
    const signal = AbortSignal.any([stop, claim.lost]);
    const abandon = AbortSignal.any([this.#parts.abandon, claim.lost]);
    try {
      const outcome = await this.#shipNewLines(object, claim, signal, abandon).catch((error: unknown): VisitOutcome => {
        signal.throwIfAborted();
        if (isFatal(error) || !isAgentError(error)) throw error;
        return { status: 'released', error };
      });
      // Make it durable before releasing the claim, because the next visit starts from the state.
      await claim.flush(abandon);
      if (outcome.status === 'settled') reached('object settled', object.origin.id);
      return outcome;
    } catch (error) {
      if (!claim.lost.aborted || stop.aborted || (isAgentError(error) && isFatal(error))) throw error;
      this.#parts.logger.info(
        { object: object.origin.id },
        'Claim lost or given up: another visit continues with the object',
      );
      return { status: 'elsewhere' };
    }
  }

  async #shipNewLines(
    object: DeliveredObject,
    claim: Claim,
    signal: AbortSignal,
    abandon: AbortSignal,
  ): Promise<VisitOutcome> {
    const read = (known: ObjectState, announcements = claim.announcements) =>
      new ObjectReading({ object, claim, known, announcements, signal, abandon }, this.#parts, this.#hasher);
    const known = claim.known ?? neverVisited;
    const outcome = await read(known).continueAfterSettled();
    if (outcome !== 'prefixMismatch') return outcome;
    if (known.hasLineHashes) return await read(known).compareWithSettled();
    this.#reportRewrittenAfterLookback(object);
    claim.forget();
    const again = await read(neverVisited, []).continueAfterSettled();
    if (again === 'prefixMismatch') throw new Error('an empty prefix matches every object');
    return again;
  }

  #reportRewrittenAfterLookback(object: DeliveredObject): void {
    const err = new AgentError(
      'ERR_OBJECT_REWRITTEN_AFTER_LOOKBACK',
      'An object older than the lookback window was rewritten; all of its lines are sent again, with the same log.record.uid',
      { hint: 'If this happens often, raise DATABRICKS_AUDIT_LOOKBACK.' },
    );
    this.#parts.observe({ kind: 'faultMet', fault: toFault(err) });
    this.#parts.logger.warn({ object: object.origin.id, err }, 'Object is sent again');
  }
}

const neverVisited: ObjectState = { settledVersion: undefined, settled: startOfObject, hasLineHashes: true };
