/**
 * What the main thread and a worker tell each other: plain data, and in each direction in the order in which it was sent.
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
import type { DeadLetterReason, FailedAttempt } from '../../export/index.ts';
import { AgentError } from '../../model/agent-error.ts';
import type { DeliveredObject } from '../../model/object.ts';
import type { ObjectEnd } from '../../pipeline/object-end.ts';
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

/** An object to be shipped, and all that the state knows of it: while it is being visited, nobody else changes that. */
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
  /** What waits for its next attempt is given up, */
  | { readonly kind: 'stopping' }
  /** and what is on the wire. */
  | { readonly kind: 'abandon' }
  | { readonly kind: 'answer'; readonly questionId: number; readonly error: PlainError | undefined }
  /** To a question, because the agent stops. */
  | { readonly kind: 'givenUp'; readonly questionId: number }
  | { readonly kind: 'close' };

export type ToMain = OfVisit | Question | Told | { readonly kind: 'closed' };

/** About one visit. Announcements are named by the worker: the main thread knows what the state calls them. */
export type OfVisit = { readonly visitId: number } & (
  | { readonly kind: 'opened' }
  | { readonly kind: 'announce'; readonly name: AnnouncementId; readonly announcement: Announcement }
  | { readonly kind: 'settle'; readonly settlement: Settlement }
  | { readonly kind: 'finish'; readonly end: Position; readonly stillAnnounced: readonly Announcement[] }
  | { readonly kind: 'forget' }
  | { readonly kind: 'ended'; readonly end: PlainEnd }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'stopped' }
);

/** Answered once it is done. */
export type Question = { readonly questionId: number } & Asked;

export type Asked =
  | { readonly kind: 'flush' }
  | { readonly kind: 'writeDeadLetters'; readonly jsonLines: readonly string[]; readonly reason: DeadLetterReason };

/** For those who watch. */
export type Told =
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
  /** As the log describes it. */
  readonly cause: unknown;
}

type WithPlainError<Value> = Value extends { readonly error: AgentError }
  ? Omit<Value, 'error'> & { readonly error: PlainError }
  : Value;

type PlainEnd = WithPlainError<ObjectEnd>;

export function toPlain({ code, message, hint, cause }: AgentError): PlainError {
  return { code, message, hint, cause: plainFields({ cause }).cause };
}

export function fromPlain({ code, message, hint, cause }: PlainError): AgentError {
  return new AgentError(code, message, { cause, hint });
}

export function toPlainEnd(end: ObjectEnd): PlainEnd {
  return 'error' in end ? { ...end, error: toPlain(end.error) } : end;
}

export function fromPlainEnd(end: PlainEnd): ObjectEnd {
  return 'error' in end ? { ...end, error: fromPlain(end.error) } : end;
}
