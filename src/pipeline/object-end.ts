/**
 * What a visit to an object came to.
 */
import type { AgentError } from '../model/agent-error.ts';

/** How the visit to an object ended. All but `released` and `growing` are final for this version. */
export type ObjectEnd =
  | { readonly status: 'unchanged' }
  /** Every line of the version has come to its end, and that is on disk. */
  | { readonly status: 'settled' }
  /** As `settled`, for what could be decoded; the rest of the version cannot be read by anybody. */
  | { readonly status: 'damaged'; readonly error: AgentError }
  /** Settled up to the last whole line; more may follow in this very version. */
  | { readonly status: 'growing' }
  /** Not read to the end: it is offered again by the next listing and goes on where it was settled. */
  | { readonly status: 'released'; readonly error: AgentError };
