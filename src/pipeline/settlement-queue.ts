/**
 * Batches of one object end in any order; they are settled in the order of the object. The settled position moves only
 * over an unbroken run of ended batches, so that everything before it has truly come to its end.
 */
import assert from 'node:assert';
import type { Settlement } from '../contracts/delivery-state.ts';

export interface OpenBatch {
  settlement: Settlement | undefined;
}

export class SettlementQueue {
  readonly #settle: (settlement: Settlement) => void;
  readonly #batches: OpenBatch[] = [];

  constructor(settle: (settlement: Settlement) => void) {
    this.#settle = settle;
  }

  /** Batches that are not settled: those under way, and those that ended behind one of them. */
  get length(): number {
    return this.#batches.length;
  }

  /** The next batch in the order of the object. */
  open(): OpenBatch {
    const batch: OpenBatch = { settlement: undefined };
    this.#batches.push(batch);
    return batch;
  }

  /** The batch came to its end. */
  end(batch: OpenBatch, settlement: Settlement): void {
    assert(batch.settlement === undefined, 'a batch ends once');
    batch.settlement = settlement;
    while (this.#batches[0]?.settlement !== undefined) {
      this.#settle(this.#batches[0].settlement);
      this.#batches.shift();
    }
  }
}
