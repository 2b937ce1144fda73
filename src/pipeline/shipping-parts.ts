/**
 * The dependencies of a visit. agent/wiring.ts provides the implementations.
 */
import type { Decoder } from '../contracts/decoder.ts';
import type { Exporter } from '../contracts/exporter.ts';
import type { Observer } from '../contracts/observer.ts';
import type { ObjectOrigin } from '../model/object.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Semaphore } from '../runtime/semaphore.ts';
import type { BatchLimits } from './batch-builder.ts';
import type { BatchMemoryPool } from './batch-memory.ts';

export interface ShippingParts {
  readonly decoder: Decoder;
  /** The pool for the mapping of the object's source. */
  readonly batchMemoryFor: (origin: ObjectOrigin) => BatchMemoryPool;
  readonly exporter: Exporter;
  /** From the delivery state: keys the line hashes. */
  readonly hashSecret: Uint8Array;
  readonly batchLimits: BatchLimits;
  /** One slot per request in flight, across all objects. While no slot is free, reading pauses. */
  readonly requestSlots: Pick<Semaphore, 'acquire'>;
  /**
   * Limit on batches of one object from the oldest incomplete one on. While that one hangs, those after it cannot be settled
   * and a crash repeats them all, so there must be few. Reading pauses at the limit.
   */
  readonly unsettledBatchesMax: number;
  /** Abandons requests in flight. Comes some time after the stop signal, so that they can be answered. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}
