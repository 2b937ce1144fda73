/**
 * Contract: the outcome of a visit to an object, for the pipeline and for the producer that offered the object.
 */
import type { AgentError } from '../model/agent-error.ts';

/** `unchanged`, `settled` and `damaged` are final for this version; otherwise the object is offered again. */
export type VisitOutcome =
  /** This version was already settled, so it was not opened. */
  | { readonly status: 'unchanged' }
  /** Every line of the version was accepted or dead-lettered, and that is durable. */
  | { readonly status: 'settled' }
  /** As `settled`, but the object is not JSON Lines: some or all of its lines are unparsed records. */
  | { readonly status: 'settled'; readonly error: AgentError }
  /** `settled` as far as the version could be decoded; the rest of it is unreadable. */
  | { readonly status: 'damaged'; readonly error: AgentError }
  /** Settled up to the last whole line; more may follow in this same version. */
  | { readonly status: 'growing' }
  /** Not read completely. The next visit continues after what this one settled. */
  | { readonly status: 'released'; readonly error: AgentError }
  /** Another visit holds the object, in this process or another. This is normal. */
  | { readonly status: 'elsewhere' };
