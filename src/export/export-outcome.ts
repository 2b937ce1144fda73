/**
 * What one request came to. Each of these is expected, so it is a value; the exporter derives the two final outcomes of a
 * record from them.
 */
import type { AgentError } from '../model/agent-error.ts';
import type { ResponseCode } from '../model/response-code.ts';

export type ExportOutcome =
  /** Every record was accepted; a warning is what the server said nevertheless. */
  | { readonly status: 'accepted'; readonly response: ResponseCode; readonly warning: string | undefined }
  /** OTLP partial success: some records were rejected, OTLP cannot say which, and the request must not be sent again. */
  | {
      readonly status: 'partial';
      readonly response: ResponseCode;
      readonly rejectedCount: number;
      readonly reason: string;
    }
  /** The same bytes will be rejected again: something in them is wrong. */
  | { readonly status: 'rejected'; readonly response: ResponseCode; readonly reason: string }
  | { readonly status: 'tooLarge'; readonly response: ResponseCode; readonly reason: string }
  | UnavailableOutcome
  | MisconfiguredOutcome;

/** No verdict on the records: an overload, an outage, a lost response. */
export interface UnavailableOutcome {
  readonly status: 'unavailable';
  readonly error: AgentError;
  /** Undefined when there was no response. */
  readonly response: ResponseCode | undefined;
  /** What the server asked for (Retry-After), or what its answer deserves. */
  readonly waitAtLeastMs: number;
  /** The server received the request or a part of it, so its size or content may be the cause. False when no connection was made. */
  readonly requestSeen: boolean;
}

/** Nothing is wrong with the records: a person has to change a setting of the agent or the collector. */
export interface MisconfiguredOutcome {
  readonly status: 'misconfigured';
  readonly error: AgentError;
  readonly response: ResponseCode | undefined;
}
