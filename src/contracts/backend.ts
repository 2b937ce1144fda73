/**
 * Contract: a backend that can be asked which log records it holds.
 */

/** The service and times of some records, so that a backend finds them without searching everything. */
export interface RecordSpan {
  /** Resource attributes of the records. */
  readonly serviceName: string | undefined;
  readonly serviceInstanceId: string | undefined;
  /** In order of time, without overlaps. Each record is in one of them. */
  readonly ranges: readonly TimeRange[];
}

export interface TimeRange {
  readonly fromMs: number;
  /** Inclusive: the time of the last record. */
  readonly toMs: number;
}

export interface Backend {
  /** Product and address, without secrets. */
  readonly name: string;
  /** Rejects with ERR_BACKEND_READ. */
  open(span: RecordSpan, signal: AbortSignal): Promise<StoredRecords>;
}

export interface StoredRecords {
  /** The given `log.record.uid`s that no stored record has, in the given order. Rejects with ERR_BACKEND_READ. */
  missing(uids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Records that appeared more than once in the responses so far. */
  readonly repeatedCount: number;
  close(): void;
}
