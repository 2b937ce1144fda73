/**
 * Contract: what the agent tells of its work while it works. Metrics, health, the live page and the detection of silence all
 * live from these events, and from nothing else.
 *
 * Events are plain data that a worker thread can post. They are coarse: one a batch, request, object or listing, never one a
 * line. An observer returns at once and does not throw.
 */
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { ObjectId } from '../model/object.ts';
import type { ResponseCode } from '../model/response-code.ts';
import type { VisitOutcome } from './visit-outcome.ts';

export type Observer = (event: AgentEvent) => void;

export type AgentEvent =
  | WorkspaceKnown
  | LinesRead
  | BatchEnded
  | BatchAbandoned
  | RequestEnded
  | DeadLettered
  | Waiting
  | Resumed
  | ObjectsListed
  | ListingEnded
  | ObjectVisited
  | ObjectsWaiting
  | FaultMet
  | SilenceChanged
  | AlertEventEnded;

/** What an AgentError says, as plain data. Never a secret. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The state knows a workspace from earlier processes. Told when the agent begins. */
export interface WorkspaceKnown {
  readonly kind: 'workspaceKnown';
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
}

/** Lines of an object were read. Those that are new go to the exporter as one batch: from here on they are in flight. */
export interface LinesRead {
  readonly kind: 'linesRead';
  readonly workspaceId: string | undefined;
  /** `alreadyShippedCount` + `newCount`. */
  readonly readCount: number;
  readonly alreadyShippedCount: number;
  readonly newCount: number;
  /** Of the new lines; undefined when none of them has a time. */
  readonly eventTimes: EventTimes | undefined;
  /** Decoded since the last event of this reading. */
  readonly decodedBytes: number;
}

/** Every line of a batch came to its end. */
export interface BatchEnded {
  readonly kind: 'batchEnded';
  readonly workspaceId: string | undefined;
  /** From the path. */
  readonly date: string | undefined;
  /** `acceptedCount` + `deadLetteredCount`. */
  readonly lineCount: number;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** The same as in the `linesRead` that the batch began with. */
  readonly eventTimes: EventTimes | undefined;
  /** Lines that could not be parsed, by reason. They are in the other counts too. */
  readonly unparsed?: ReadonlyMap<string, number> | undefined;
  /** LastModified of the object version that the lines were read from. */
  readonly modifiedAtMs: number;
  readonly requestBytes: number;
}

/** The claim was taken over while a batch was in flight: another visit sends its lines. */
export interface BatchAbandoned {
  readonly kind: 'batchAbandoned';
  readonly workspaceId: string | undefined;
  readonly lineCount: number;
  /** The same as in the `linesRead` that the batch began with. */
  readonly eventTimes: EventTimes | undefined;
}

/** One attempt to send a request ended. */
export interface RequestEnded {
  readonly kind: 'requestEnded';
  readonly outcome: 'accepted' | 'partial' | 'rejected' | 'tooLarge' | 'unavailable' | 'misconfigured';
  /** Undefined when there was no answer. */
  readonly response: ResponseCode | undefined;
  readonly durationMs: number;
  readonly recordCount: number;
  /** Before compression. */
  readonly requestBytes: number;
}

/** Records, of lines or alert events, were durably written to the dead letters. */
export interface DeadLettered {
  readonly kind: 'deadLettered';
  readonly code: ErrorCode;
  readonly response: ResponseCode;
  /** In the collector's words. */
  readonly reason: string;
  /** Records that the backend does not have; with a partial success more are in the file. */
  readonly recordCount: number;
}

/** What the agent can wait for without an end, while nothing is lost. */
export type WaitsFor = 'collector' | 'deadLetterFile' | 'state';

/** An attempt failed and is made again: shipping, or a part of it, waits. Told once an attempt. */
export interface Waiting {
  readonly kind: 'waiting';
  readonly for: WaitsFor;
  readonly fault: Fault;
  readonly sinceMs: number;
  readonly failedAttempts: number;
  readonly retryAtMs: number;
}

export interface Resumed {
  readonly kind: 'resumed';
  readonly for: WaitsFor;
}

/** A listing has come so far: told at the end of each workspace, and every thousand objects. */
export interface ObjectsListed {
  readonly kind: 'objectsListed';
  readonly source: string;
  readonly workspaceId: string | undefined;
  /** Since the last event of this listing. */
  readonly listedCount: number;
  /** Of these, in a version that was settled before: not opened. */
  readonly unchangedCount: number;
}

export interface ListingEnded {
  readonly kind: 'listingEnded';
  readonly source: string;
  /** Within the look-back, at every poll, or what is older. */
  readonly dates: 'recent' | 'older';
  readonly atMs: number;
  /** What could not be listed; undefined when all of it was. */
  readonly fault: Fault | undefined;
}

export interface ObjectVisited {
  readonly kind: 'objectVisited';
  readonly source: string;
  readonly objectId: ObjectId;
  readonly workspaceId: string | undefined;
  readonly status: VisitOutcome['status'];
  readonly sizeBytes: number;
  /** Of what is damaged or released. */
  readonly fault: Fault | undefined;
}

/** Objects of a workspace that were listed and are not shipped. Told when the number changes. */
export interface ObjectsWaiting {
  readonly kind: 'objectsWaiting';
  readonly source: string;
  /** As in `ListingEnded`: the two are counted separately, and no object is in both. */
  readonly dates: 'recent' | 'older';
  readonly workspaceId: string | undefined;
  readonly objectCount: number;
  readonly sizeBytes: number;
  /** LastModified of the oldest; undefined when there are none. */
  readonly oldestMs: number | undefined;
  /** Why they are not shipped; undefined when it is merely not their turn yet. */
  readonly fault: Fault | undefined;
  readonly faultSinceMs: number | undefined;
}

/** Something that has a code went wrong, once. */
export interface FaultMet {
  readonly kind: 'faultMet';
  /** When it is about a source or an object in it. */
  readonly source?: string | undefined;
  readonly fault: Fault;
}

/** A workspace had no event for longer than the threshold, or has one again. */
export interface SilenceChanged {
  readonly kind: 'silenceChanged';
  readonly workspaceId: string | undefined;
  readonly silent: boolean;
  readonly lastEventMs: number;
  readonly thresholdMs: number;
}

/** An alert event of the agent's own was accepted or dead-lettered. It is not a line, so no count of lines includes it. */
export interface AlertEventEnded {
  readonly kind: 'alertEventEnded';
  readonly outcome: 'accepted' | 'deadLettered';
}

export const unobserved: Observer = () => {};

export function toFault({ code, message, hint }: AgentError): Fault {
  return { code, message, hint };
}
