/**
 * Contract: from a batch of lines to a final word on each of them.
 */
import type { IdentifiedLine } from '../model/line.ts';

/** Lines of one object and the request that carries their records. */
export interface Batch {
  readonly lineCount: number;
  /** Made when it is asked for, and valid until the batch has ended: only what is refused needs its lines. */
  readonly lines: readonly IdentifiedLine[];
  readonly request: Uint8Array;
}

/** How a batch ended. Every line of it is in one of the two counts: nothing else ends a batch. */
export interface BatchEnd {
  readonly acceptedCount: number;
  /** Durably written to a dead-letter file, with the reason. */
  readonly deadLetteredCount: number;
}

export interface Exporter {
  /**
   * Resolves when every line of the batch has come to its end, however long that takes. Several batches may be under way.
   * Rejects with the signal's reason when it is aborted first; the batch is then neither here nor there and is sent again.
   */
  export(batch: Batch, signal: AbortSignal): Promise<BatchEnd>;
  close(): Promise<void>;
}
