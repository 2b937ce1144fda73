/**
 * Claims an object, visits it, and releases the claim.
 */
import type { Claim, DeliveryState } from '../contracts/delivery-state.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { DeliveredObject } from '../model/object.ts';

/** Ships what is new in an object, on this thread or another. */
export interface Visitor {
  /** Rejects with the signal's reason if it aborts, and with ERR_STATE_DAMAGED. */
  visit(object: DeliveredObject, claim: Claim, signal: AbortSignal): Promise<VisitOutcome>;
}

export class ObjectShipper {
  readonly #state: Pick<DeliveryState, 'claim'>;
  readonly #visitor: Visitor;

  constructor(state: Pick<DeliveryState, 'claim'>, visitor: Visitor) {
    this.#state = state;
    this.#visitor = visitor;
  }

  /** Rejects with the signal's reason if it aborts, and with ERR_STATE_DAMAGED. */
  async ship(object: DeliveredObject, signal: AbortSignal): Promise<VisitOutcome> {
    const claim = await this.#state.claim(object, signal);
    if (claim === 'settled') return { status: 'unchanged' };
    if (claim === 'elsewhere') return { status: 'elsewhere' };
    try {
      return await this.#visitor.visit(object, claim, signal);
    } finally {
      await claim.release();
    }
  }
}
