/**
 * Contract: from a batch of records to a final outcome for each of them.
 */

/** Records in one OTLP request. A batch knows how to split itself and how to show its records; an exporter needs no mapper. */
export interface Batch {
  readonly recordCount: number;
  /** The body of the request, an ExportLogsServiceRequest, before compression. Valid until the batch has ended. */
  readonly request: Uint8Array;
  /** The object that the records come from, for messages; undefined when they come from several or none. */
  readonly objectId: string | undefined;
  /** The first and the second half of the records, as batches of their own. Only for batches of two records or more. */
  split(): readonly [Batch, Batch];
  /** Each record as one line of OTLP/JSON (`{"resourceLogs":[...]}`), redacted, without a line ending. */
  toJsonLines(): readonly string[];
}

/** How a batch ended: every record is in one of the two counts. */
export interface BatchEnd {
  readonly acceptedCount: number;
  /** Durably written to the dead letters, with the reason. */
  readonly deadLetteredCount: number;
}

export interface Exporter {
  /**
   * Resolves when every record of the batch was accepted or dead-lettered, however long that takes. Several batches may be
   * in flight. Rejects with the signal's reason when it is aborted first; the batch is then unresolved and will be resent.
   */
  export(batch: Batch, signal: AbortSignal): Promise<BatchEnd>;
  close(): Promise<void>;
}
