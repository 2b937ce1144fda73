/**
 * Contract: a store of log records that is asked what it really holds.
 */

/** Where the records of a workspace lie and when: what a backend needs to find them without looking at everything. */
export interface RecordSpan {
  /** Of the records' resource. */
  readonly serviceName: string | undefined;
  readonly serviceInstanceId: string | undefined;
  readonly fromMs: number;
  /** Of the last record, so the span includes it. */
  readonly toMs: number;
}

export interface Backend {
  /** What it is and where, without anything secret. */
  readonly name: string;
  /** Rejects with ERR_BACKEND_READ. */
  open(span: RecordSpan, signal: AbortSignal): Promise<StoredRecords>;
}

export interface StoredRecords {
  /** Those of the `log.record.uid`s that no stored record has, in their order. Rejects with ERR_BACKEND_READ. */
  missing(uids: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Records that were met more than once, as far as it was seen. */
  readonly repeatedCount: number;
  close(): void;
}
