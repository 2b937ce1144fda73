/**
 * The calls that the compiled mapping makes for each record. One table, many outputs: protobuf is the hot path, JSON is
 * for people, `http/json` and dead letters; a test holds the two equal.
 *
 * Whoever calls keeps keys unique and non-empty, and numbers finite. Writers make any text valid Unicode.
 */
import type { Kernel } from '../kernel/kernel.ts';
import type { AttributeKey } from './attribute-key.ts';
import type { EncodedResource } from './envelope.ts';

export interface LogRecordWriter {
  readonly recordCount: number;
  /** Close to the size of the request body so far. */
  readonly sizeBytes: number;
  /** The request body; the writer is empty afterwards. */
  finish(): Uint8Array;

  /** Starts a record in the group of its resource. */
  begin(resource: EncodedResource, head: RecordHead): void;
  string(key: AttributeKey, value: string): void;
  /** A safe integer, or a bigint within 64 bits with sign. */
  integer(key: AttributeKey, value: number | bigint): void;
  double(key: AttributeKey, value: number): void;
  boolean(key: AttributeKey, value: boolean): void;
  /** @param likelySizeBytes of what will be in it: only a wrong guess costs a little. */
  beginMap(key: AttributeKey, likelySizeBytes?: number): void;
  beginArray(key: AttributeKey, likelySizeBytes?: number): void;
  /** Ends the innermost map or array. One in which nothing was written leaves no trace, its key included. */
  endContainer(): void;
  /** Set by writers of what the kernel composes. */
  readonly composer: AttributeComposer | undefined;
  /** Ends the record. */
  end(): void;
}

export interface AttributeComposer {
  /**
   * Writes attributes that the kernel composes, from the instruction on.
   * @returns the instruction that the kernel leaves; 0 at the end of the program.
   */
  compose(kernel: Kernel, instruction: number): number;
  readonly writtenBytes: number;
  /** A view of what was written since there were so many bytes; good until the next call. */
  writtenFrom(bytes: number): Uint8Array;
}

export interface RecordHead {
  /** Unix time in milliseconds; 0 leaves the field unset. */
  readonly timestampMs: number;
  readonly observedAtMs: number;
  readonly severity: Severity;
  readonly eventName: string;
  /** Valid UTF-8. */
  readonly body: Buffer;
}

/** SeverityNumber and its short name (specification, logs/data-model.md). */
export interface Severity {
  readonly number: number;
  readonly text: string;
}

export const severities = {
  TRACE: { number: 1, text: 'TRACE' },
  DEBUG: { number: 5, text: 'DEBUG' },
  INFO: { number: 9, text: 'INFO' },
  WARN: { number: 13, text: 'WARN' },
  ERROR: { number: 17, text: 'ERROR' },
  FATAL: { number: 21, text: 'FATAL' },
} as const satisfies Record<string, Severity>;
