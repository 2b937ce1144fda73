/**
 * The messages between the main thread and a worker: plain data, delivered in each direction in the order they were sent.
 */
import type { Configuration } from '../../config/index.ts';
import type {
  Announcement,
  AnnouncementId,
  LineHashes,
  ObjectState,
  Position,
  Settlement,
} from '../../contracts/delivery-state.ts';
import type { AgentEvent } from '../../contracts/observer.ts';
import type { VisitOutcome } from '../../contracts/visit-outcome.ts';
import type { DeadLetterReason, FailedAttempt } from '../../export/index.ts';
import { AgentError } from '../../model/agent-error.ts';
import type { DeliveredObject, ObjectVersion } from '../../model/object.ts';
import type { Logger } from '../../runtime/logger.ts';
import { plainFields } from '../../runtime/plain-fields.ts';

/** A MessagePort, or the main thread's end of a Worker. */
export interface Port<Incoming> {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  on(event: 'message', listener: (message: Incoming) => void): unknown;
}

/** What a worker is given when it starts. */
export interface WorkerSetup {
  /** From 1 on. */
  readonly number: number;
  readonly configuration: Configuration;
  readonly hashSecret: Uint8Array;
  /** Of the SharedSemaphore that all workers take requests from. */
  readonly requestSlots: SharedArrayBuffer;
}

/** An object to visit, with what its claim knows: while the claim is held, nobody else changes that. */
export interface Visit {
  readonly visitId: number;
  readonly object: Pick<DeliveredObject, 'origin' | 'version' | 'growing'>;
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly settledLineHashes: LineHashes;
}

export type ToWorker =
  | { readonly kind: 'visit'; readonly visit: Visit }
  | { readonly kind: 'stop'; readonly visitId: number }
  /** The claim of the visit was taken over. */
  | { readonly kind: 'lost'; readonly visitId: number }
  /** Batches that wait for their next attempt are given up, */
  | { readonly kind: 'stopping' }
  /** and then requests in flight. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'answer'; readonly questionId: number; readonly error: PlainError | undefined }
  /** The question has no answer, because the agent stops or the claim is lost. */
  | { readonly kind: 'givenUp'; readonly questionId: number }
  | { readonly kind: 'close' };

export type ToMain = OfVisit | Question | Report | { readonly kind: 'closed' };

/** About one visit. Announcements have names of the worker; the main thread maps them to the ids of the claim. */
export type OfVisit = { readonly visitId: number } & (
  | { readonly kind: 'announce'; readonly name: AnnouncementId; readonly announcement: Announcement }
  | { readonly kind: 'settle'; readonly settlement: Settlement }
  | {
      readonly kind: 'finish';
      readonly version: ObjectVersion;
      readonly end: Position;
      readonly stillAnnounced: readonly Announcement[];
    }
  | { readonly kind: 'forget' }
  | { readonly kind: 'ended'; readonly outcome: PlainOutcome }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'stopped' }
);

/** Answered once it is done. */
export type Question = { readonly questionId: number; readonly asked: Asked };

export type Asked =
  | { readonly kind: 'flush'; readonly visitId: number }
  | { readonly kind: 'writeDeadLetters'; readonly jsonLines: readonly string[]; readonly reason: DeadLetterReason };

/** For observers, the log and the failure reporter. */
export type Report =
  | { readonly kind: 'event'; readonly event: AgentEvent }
  | { readonly kind: 'log'; readonly level: keyof Logger; readonly fields: object; readonly message: string }
  | {
      readonly kind: 'sampledLog';
      readonly level: 'warn' | 'error';
      readonly fields: object;
      readonly message: string;
      readonly variant: string | undefined;
    }
  | { readonly kind: 'attemptFailed'; readonly attempt: WithPlainError<FailedAttempt> }
  | { readonly kind: 'collectorAnswered' };

/** An AgentError as plain data: as an Error it would arrive without code and hint. */
export interface PlainError extends Pick<AgentError, 'code' | 'message' | 'hint'> {
  /** As the log renders it. */
  readonly cause: unknown;
}

type WithPlainError<Value> = Value extends { readonly error: AgentError }
  ? Omit<Value, 'error'> & { readonly error: PlainError }
  : Value;

type PlainOutcome = WithPlainError<VisitOutcome>;

export function toPlain({ code, message, hint, cause }: AgentError): PlainError {
  return { code, message, hint, cause: plainFields({ cause }).cause };
}

export function fromPlain({ code, message, hint, cause }: PlainError): AgentError {
  return new AgentError(code, message, { cause, hint });
}

export function toPlainOutcome(outcome: VisitOutcome): PlainOutcome {
  return 'error' in outcome ? { ...outcome, error: toPlain(outcome.error) } : outcome;
}

export function fromPlainOutcome(outcome: PlainOutcome): VisitOutcome {
  return 'error' in outcome ? { ...outcome, error: fromPlain(outcome.error) } : outcome;
}
