/**
 * Batches of one object complete in any order but are settled in object order. The settled position advances only over a
 * contiguous run of complete batches, so that everything before it is accepted or dead-lettered.
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

  /** Batches that are not settled: those in flight, and complete ones that come after one in flight. */
  get length(): number {
    return this.#batches.length;
  }

  /** Adds the next batch in object order. */
  open(): OpenBatch {
    const batch: OpenBatch = { settlement: undefined };
    this.#batches.push(batch);
    return batch;
  }

  /** Marks the batch as complete, and settles every batch that no longer waits for an earlier one. */
  complete(batch: OpenBatch, settlement: Settlement): void {
    assert(batch.settlement === undefined, 'a batch is completed once');
    batch.settlement = settlement;
    while (this.#batches[0]?.settlement !== undefined) {
      this.#settle(this.#batches[0].settlement);
      this.#batches.shift();
    }
  }
}
