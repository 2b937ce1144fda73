/**
 * Contract: from a line to its log record, written straight into an OTLP request.
 */
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';

/**
 * One ExportLogsServiceRequest while it is being filled. The same lines give the same bytes, always: nothing is read from
 * the clock, and a line that cannot be parsed becomes a `databricks.audit.unparsed` record instead of an error.
 */
export interface RequestEncoder {
  /** Writes the line's record; grouped by resource (account and workspace), in order within each resource. */
  append(line: IdentifiedLine): void;
  readonly recordCount: number;
  /** Close to the size of the request body so far, before compression. */
  readonly sizeBytes: number;
  /** Of the records so far; undefined when none of them has a time. */
  readonly eventTimes: EventTimes | undefined;
  /** Of the records so far, how many lines could not be parsed, by reason; undefined when all could. */
  readonly unparsed: ReadonlyMap<string, number> | undefined;
  /** The request body, valid until the encoder is used again; the encoder is empty afterwards. */
  finish(): Uint8Array;
}

export interface Mapper {
  createEncoder(encoding: OtlpEncoding): RequestEncoder;
  /** The line's record alone, as one line of OTLP/JSON (`{"resourceLogs":[...]}`), without a line ending. */
  toJsonLine(line: IdentifiedLine): string;
  /** The alert event as one line of OTLP/JSON, with what the mapping gives every record. */
  toAlertEventLine(event: AlertEvent): string;
}

/** An event of the agent's own about a workspace. */
export interface AlertEvent {
  readonly eventName: string;
  /** Nothing read from the clock, so that an event that is sent again is the same. */
  readonly timeMs: number;
  readonly uid: string;
  readonly workspaceId: string | undefined;
  readonly severity: 'INFO' | 'WARN';
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** The encodings of OTLP over HTTP: `http/protobuf` and `http/json`. */
export type OtlpEncoding = 'protobuf' | 'json';
