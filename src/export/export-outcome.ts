/**
 * What one request came to. Each of these is expected, so it is a value; the exporter turns them into the two ends that a
 * line can have.
 */
import type { AgentError } from '../model/agent-error.ts';

export type ExportOutcome =
  /** Everything was taken; a warning is what the server wanted to say all the same. */
  | { readonly status: 'accepted'; readonly httpStatus: number; readonly warning: string | undefined }
  /** OTLP partial success: some records were dropped, OTLP cannot say which, and the request must not be sent again. */
  | { readonly status: 'partial'; readonly httpStatus: number; readonly rejectedCount: number; readonly reason: string }
  /** The same bytes will be refused again: something in them is wrong. */
  | { readonly status: 'rejected'; readonly httpStatus: number; readonly reason: string }
  | { readonly status: 'tooLarge'; readonly httpStatus: number; readonly reason: string }
  | UnavailableOutcome
  | MisconfiguredOutcome;

/** No verdict on the records: an overload, an outage, a lost answer. */
export interface UnavailableOutcome {
  readonly status: 'unavailable';
  readonly error: AgentError;
  /** Undefined when there was no answer. */
  readonly httpStatus: number | undefined;
  /** What the server asked for (Retry-After), or what its answer deserves. */
  readonly waitAtLeastMs: number;
  /**
   * The server had the request, or a part of it, so its size or its content may be the cause. False when no connection
   * came about.
   */
  readonly requestSeen: boolean;
}

/** Nothing wrong with the records: a person has to change a setting, here or there. */
export interface MisconfiguredOutcome {
  readonly status: 'misconfigured';
  readonly error: AgentError;
  readonly httpStatus: number | undefined;
}
