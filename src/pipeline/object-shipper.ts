/**
 * Claims an object, visits it, and releases the claim.
 */
import type { Claim, DeliveryState } from '../contracts/delivery-state.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import { AgentError, isAgentError, isFatal } from '../model/agent-error.ts';
import type { DeliveredObject } from '../model/object.ts';

/** Ships what is new in an object, on this thread or another. */
export interface Visitor {
  /** Rejects with the signal's reason if it aborts, and with an error that is fatal (model/agent-error.ts). */
  visit(object: DeliveredObject, claim: Claim, signal: AbortSignal): Promise<VisitOutcome>;
}

export class ObjectShipper {
  readonly #state: Pick<DeliveryState, 'claim'>;
  readonly #visitor: Visitor;

  constructor(state: Pick<DeliveryState, 'claim'>, visitor: Visitor) {
    this.#state = state;
    this.#visitor = visitor;
  }

  /** Rejects with the signal's reason if it aborts, and with an error that is fatal. */
  async ship(object: DeliveredObject, signal: AbortSignal): Promise<VisitOutcome> {
    const claim = await this.#claim(object, signal);
    if (claim instanceof AgentError) return { status: 'released', error: claim };
    if (claim === 'settled') return { status: 'unchanged' };
    if (claim === 'elsewhere') return { status: 'elsewhere' };
    try {
      return await this.#visitor.visit(object, claim, signal);
    } finally {
      await claim.release();
    }
  }

  /** An error about this object alone is its outcome. */
  async #claim(object: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere' | AgentError> {
    try {
      return await this.#state.claim(object, signal);
    } catch (error) {
      if (signal.aborted || isFatal(error) || !isAgentError(error)) throw error;
      return error;
    }
  }
}
