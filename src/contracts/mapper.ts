/**
 * Contract: maps lines to log records, written directly into an OTLP request.
 */
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';

/**
 * Builds one ExportLogsServiceRequest. The same lines always give the same bytes: nothing is read from the clock. A line that
 * cannot be parsed becomes a `databricks.audit.unparsed` record instead of an error.
 */
export interface RequestEncoder {
  /** Appends the line's record. Records are grouped by resource (account and workspace), in order within each. */
  append(line: IdentifiedLine): void;
  readonly recordCount: number;
  /** Approximate size of the request body so far, before compression. */
  readonly sizeBytes: number;
  /** Of the records so far; undefined if none of them has a time. */
  readonly eventTimes: EventTimes | undefined;
  /** How many of the lines so far could not be parsed, by reason; undefined if all could. */
  readonly unparsed: ReadonlyMap<string, number> | undefined;
  /** Returns the request body, valid until the encoder is used again, and empties the encoder. */
  finish(): Uint8Array;
}

export interface Mapper {
  createEncoder(encoding: OtlpEncoding): RequestEncoder;
  /** The line's record as one line of OTLP/JSON (`{"resourceLogs":[...]}`), without a line ending. */
  toJsonLine(line: IdentifiedLine): string;
  /** The alert event as one line of OTLP/JSON, with the constant attributes and the resource of the mapping. */
  toAlertEventLine(event: AlertEvent): string;
}

/** An event that the agent itself raises about a workspace. */
export interface AlertEvent {
  readonly eventName: string;
  /** Derived, not read from the clock, so that an event that is sent again is identical. */
  readonly timeMs: number;
  readonly uid: string;
  readonly workspaceId: string | undefined;
  readonly severity: 'INFO' | 'WARN';
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** The encodings of OTLP over HTTP: `http/protobuf` and `http/json`. */
export type OtlpEncoding = 'protobuf' | 'json';
