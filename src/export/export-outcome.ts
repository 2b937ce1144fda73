/**
 * The outcome of one request. All of these are expected, so they are values. The exporter derives the final outcome of each
 * record from them.
 */
import type { AgentError } from '../model/agent-error.ts';
import type { ResponseCode } from '../model/response-code.ts';

export type ExportOutcome =
  /** Every record was accepted, possibly with a warning from the server. */
  | { readonly status: 'accepted'; readonly response: ResponseCode; readonly warning: string | undefined }
  /** OTLP partial success: some records were rejected, OTLP does not say which, and the request must not be sent again. */
  | {
      readonly status: 'partial';
      readonly response: ResponseCode;
      readonly rejectedCount: number;
      readonly reason: string;
    }
  /** The server rejected the content, and would reject the same bytes again. */
  | { readonly status: 'rejected'; readonly response: ResponseCode; readonly reason: string }
  | { readonly status: 'tooLarge'; readonly response: ResponseCode; readonly reason: string }
  | UnavailableOutcome
  | MisconfiguredOutcome;

/** No verdict on the records: an overload, an outage, a lost response. */
export interface UnavailableOutcome {
  readonly status: 'unavailable';
  readonly error: AgentError;
  /** Undefined if there was no response. */
  readonly response: ResponseCode | undefined;
  /** From Retry-After, or a minimum for this kind of response. */
  readonly waitAtLeastMs: number;
  /** True if the server received at least a part of the request, so that its size or content may be the cause. */
  readonly requestSeen: boolean;
}

/** The records are not the problem: a person has to change a setting of the agent or the collector. */
export interface MisconfiguredOutcome {
  readonly status: 'misconfigured';
  readonly error: AgentError;
  readonly response: ResponseCode | undefined;
  /** True if the response is in no format that a log backend answers in, so that a firewall or proxy may have given it. */
  readonly isPage?: boolean;
}
