/**
 * What a visit works with: the contracts that agent/wiring.ts fills in.
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
  /** The memory of batches that are mapped as the source of the object asks for. */
  readonly batchMemoryFor: (origin: ObjectOrigin) => BatchMemoryPool;
  readonly exporter: Exporter;
  /** Of the delivery state: keys the hashes of lines. */
  readonly hashSecret: Uint8Array;
  readonly batchLimits: BatchLimits;
  /** Requests in flight, of all objects together: while no slot is free, nothing more is read. */
  readonly requestSlots: Pick<Semaphore, 'acquire'>;
  /**
   * Batches of one object, from the oldest that has not ended. While that one hangs, those after it are not settled, and a
   * crash repeats them all. So they are few, and while there is no room for one more nothing is read.
   */
  readonly unsettledBatchesMax: number;
  /** Ends requests in flight. Stopping comes first: reading ends at once, and what was sent has time to be answered. */
  readonly abandon: AbortSignal;
  readonly observe: Observer;
  readonly logger: Logger;
}
