/**
 * The lead of a task that one process does on behalf of all. Asks for it whenever it is not held.
 */
import type { DeliveryState, Lead, LedTask } from '../contracts/delivery-state.ts';

export class Leadership {
  readonly #state: Pick<DeliveryState, 'lead'>;
  readonly #task: LedTask;
  #lead: Lead | undefined;

  constructor(state: Pick<DeliveryState, 'lead'>, task: LedTask) {
    this.#state = state;
    this.#task = task;
  }

  async isHeld(): Promise<boolean> {
    return (await this.held()) !== undefined;
  }

  /** Undefined while another process leads. */
  async held(): Promise<Pick<Lead, 'lost'> | undefined> {
    if (this.#lead === undefined || this.#lead.lost.aborted) this.#lead = await this.#state.lead(this.#task);
    return this.#lead;
  }

  async release(): Promise<void> {
    await this.#lead?.release();
    this.#lead = undefined;
  }
}
