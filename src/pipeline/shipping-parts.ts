/**
 * What the pipeline works with: the contracts that agent.ts fills in.
 */
import type { Decoder } from '../contracts/decoder.ts';
import type { ShippingState } from '../contracts/delivery-state.ts';
import type { Exporter } from '../contracts/exporter.ts';
import type { Observer } from '../contracts/observer.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Semaphore } from '../runtime/semaphore.ts';
import type { BatchLimits } from './batch-builder.ts';
import type { BatchMemoryPool } from './batch-memory.ts';

export interface ShippingParts {
  readonly decoder: Decoder;
  readonly batchMemory: BatchMemoryPool;
  readonly exporter: Exporter;
  readonly state: ShippingState;
  readonly batchLimits: BatchLimits;
  /** Requests under way, of all objects together: while none is free, nothing more is read. */
  readonly requestSlots: Pick<Semaphore, 'acquire'>;
  /**
   * Batches of one object from the oldest without an end on. When that one hangs, those behind it wait for its end before they
   * are settled, and a crash repeats them all: so they are few, and while there is no room for one more nothing is read.
   */
  readonly unsettledBatchesMax: number;
  /** Ends requests under way. Stopping comes before it: reading ends at once, and what is sent has time to be answered. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}
