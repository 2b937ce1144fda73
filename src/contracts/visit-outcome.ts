/**
 * Contract: the outcome of a visit to an object, for the pipeline and for whoever offered the object.
 */
import type { AgentError } from '../model/agent-error.ts';

/** `unchanged`, `settled` and `damaged` are final for this version; after the others the object is offered again. */
export type VisitOutcome =
  /** This version was settled before, so it was not opened. */
  | { readonly status: 'unchanged' }
  /** Every line of the version was accepted or dead-lettered, and that is durable. */
  | {
      readonly status: 'settled';
      /** Set when the object has lines and none of them could be parsed; with one of the reasons. */
      readonly unparsed?: { readonly lineCount: number; readonly reason: string } | undefined;
    }
  /** As `settled`, for what could be decoded; the rest of the version cannot be read by anybody. */
  | { readonly status: 'damaged'; readonly error: AgentError }
  /** Settled up to the last whole line; more may follow in this same version. */
  | { readonly status: 'growing' }
  /** Not read to its end. The next visit continues where this one was settled. */
  | { readonly status: 'released'; readonly error: AgentError }
  /** Another visit holds the object, in this process or in another one. Nothing is wrong. */
  | { readonly status: 'elsewhere' };
