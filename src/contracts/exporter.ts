/**
 * Contract: delivers batches of records, with a final outcome for every record.
 */

/** The records of one OTLP request. A batch can split and render itself, so an exporter needs no mapper. */
export interface Batch {
  readonly recordCount: number;
  /** The request body, an uncompressed ExportLogsServiceRequest. Valid until the batch is complete. */
  readonly request: Uint8Array;
  /** The object that the records come from, for messages; undefined if they come from several or none. */
  readonly objectId: string | undefined;
  /** The first and the second half of the records, as separate batches. Requires at least two records. */
  split(): readonly [Batch, Batch];
  /** Each record as one line of OTLP/JSON (`{"resourceLogs":[...]}`), redacted, without a line ending. */
  toJsonLines(): readonly string[];
}

/** The outcome of a complete batch: every record is in one of the two counts. */
export interface BatchEnd {
  readonly acceptedCount: number;
  /** Durably written to a dead-letter file, with the reason. */
  readonly deadLetteredCount: number;
}

export interface ExportOptions {
  /** Called before each attempt to send. If it rejects, so does the export. */
  readonly beforeAttempt?: (() => Promise<void>) | undefined;
}

export interface Exporter {
  /**
   * Resolves when every record of the batch has been accepted or dead-lettered, however long that takes. Several batches may
   * be in flight. Rejects with the signal's reason if it aborts first; the batch is then unresolved and will be resent.
   */
  export(batch: Batch, signal: AbortSignal, options?: ExportOptions): Promise<BatchEnd>;
  close(): Promise<void>;
}
