/**
 * The messages between the main thread and a worker: plain data, delivered in order in each direction.
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
import type { SettledFault } from '../../contracts/settled-fault.ts';
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

/** The `workerData` of a worker. */
export interface WorkerSetup {
  /** Counts from 1. */
  readonly number: number;
  readonly configuration: Configuration;
  readonly hashSecret: Uint8Array;
  /** Memory of the SharedSemaphore that limits the requests of all workers together. */
  readonly requestSlots: SharedArrayBuffer;
}

/** An object to visit, with the contents of its claim, which nobody else changes while the claim is held. */
export interface Visit {
  readonly visitId: number;
  readonly object: Pick<DeliveredObject, 'origin' | 'version' | 'growing'>;
  readonly known: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  readonly settledLineHashes: LineHashes;
  /** The claim has to be confirmed before each attempt to send. */
  readonly canBeLost: boolean;
}

export type ToWorker =
  | { readonly kind: 'visit'; readonly visit: Visit }
  | { readonly kind: 'stop'; readonly visitId: number }
  /** The claim of the visit was lost. */
  | { readonly kind: 'lost'; readonly visitId: number }
  /** Abandon batches that are waiting for their next attempt. */
  | { readonly kind: 'stopping' }
  /** Abandon requests in flight. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'answer'; readonly requestId: number; readonly error: PlainError | undefined }
  /** The request has no answer, because the agent is stopping or the claim is lost. */
  | { readonly kind: 'abandoned'; readonly requestId: number }
  | { readonly kind: 'close' };

export type ToMain = VisitMessage | MainRequestMessage | Report | { readonly kind: 'closed' };

/** About one visit. The worker numbers its announcements; the main thread maps the numbers to the ids of the claim. */
export type VisitMessage = { readonly visitId: number } & (
  | { readonly kind: 'announce'; readonly announcementId: AnnouncementId; readonly announcement: Announcement }
  | { readonly kind: 'settle'; readonly settlement: Settlement }
  | {
      readonly kind: 'finish';
      readonly version: ObjectVersion;
      readonly end: Position;
      readonly stillAnnounced: readonly Announcement[];
      readonly fault: SettledFault | undefined;
    }
  | { readonly kind: 'forget' }
  | { readonly kind: 'ended'; readonly outcome: PlainOutcome }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'stopped' }
);

/** The main thread answers when it is done. */
export type MainRequestMessage = { readonly requestId: number; readonly request: MainRequest };

export type MainRequest =
  | { readonly kind: 'flush'; readonly visitId: number }
  | { readonly kind: 'confirm'; readonly visitId: number }
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

/** An AgentError as plain data, because a posted Error loses its code and hint. */
export interface PlainError extends Pick<AgentError, 'code' | 'message' | 'hint'> {
  /** In the form that the log renders. */
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
