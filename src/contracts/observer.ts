/**
 * Contract: the events that report what the agent is doing. Metrics, health and the live page are built from them.
 *
 * Events are plain data that a worker thread can post. They are coarse: at most one per batch, request, object or listing,
 * never one per line. An observer must return at once and not throw.
 */
import type { AgentError, ErrorCode } from '../model/agent-error.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { ObjectId } from '../model/object.ts';
import type { ResponseCode } from '../model/response-code.ts';
import type { LedTask } from './delivery-state.ts';
import type { NotificationOutcome } from './notifications.ts';
import type { SettledFault } from './settled-fault.ts';
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
  | ListingDue
  | ListingEnded
  | WorkspaceListed
  | NotificationEnded
  | ObjectVisited
  | SettledFaultKnown
  | ObjectsWaiting
  | FaultMet
  | SilenceChanged
  | AlertEventEnded
  | ReplicasSeen
  | ClaimTakenOver
  | ClaimLost;

/** An AgentError as plain data, without secrets. */
export interface Fault {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

/** The state knows a workspace from earlier runs. Emitted at startup. */
export interface WorkspaceKnown {
  readonly kind: 'workspaceKnown';
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
}

/** Lines of an object were read. The new ones go to the exporter as one batch, and are in flight from here on. */
export interface LinesRead {
  readonly kind: 'linesRead';
  readonly workspaceId: string | undefined;
  /** `alreadyShippedCount` + `newCount`. */
  readonly readCount: number;
  readonly alreadyShippedCount: number;
  readonly newCount: number;
  /** Of the new lines; undefined if none of them has a time. */
  readonly eventTimes: EventTimes | undefined;
  /** Decoded since the previous event of this visit. */
  readonly decodedBytes: number;
}

/** Every line of a batch was accepted or dead-lettered. */
export interface BatchEnded {
  readonly kind: 'batchEnded';
  readonly workspaceId: string | undefined;
  /** From the path. */
  readonly date: string | undefined;
  /** `acceptedCount` + `deadLetteredCount`. */
  readonly lineCount: number;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** As in the batch's `linesRead`. */
  readonly eventTimes: EventTimes | undefined;
  /** Lines that could not be parsed, by reason. They are in the other counts too. */
  readonly unparsed?: ReadonlyMap<string, number> | undefined;
  /** LastModified of the object version that the lines were read from. */
  readonly modifiedAtMs: number;
  readonly requestBytes: number;
}

/** The claim was lost while a batch was in flight: the visit that took over sends its lines. */
export interface BatchAbandoned {
  readonly kind: 'batchAbandoned';
  readonly workspaceId: string | undefined;
  readonly lineCount: number;
  /** As in the batch's `linesRead`. */
  readonly eventTimes: EventTimes | undefined;
}

/** One attempt to send a request is complete. */
export interface RequestEnded {
  readonly kind: 'requestEnded';
  readonly outcome: 'accepted' | 'partial' | 'rejected' | 'tooLarge' | 'unavailable' | 'misconfigured';
  /** Undefined if there was no response. */
  readonly response: ResponseCode | undefined;
  readonly durationMs: number;
  readonly recordCount: number;
  /** Before compression. */
  readonly requestBytes: number;
}

/** Records, of lines or of alert events, were durably written to a dead-letter file. */
export interface DeadLettered {
  readonly kind: 'deadLettered';
  readonly code: ErrorCode;
  readonly response: ResponseCode;
  /** The collector's own words. */
  readonly reason: string;
  /** Records that the backend does not have; after a partial success, the file contains more. */
  readonly recordCount: number;
}

/** What the agent can wait for indefinitely, without losing anything. */
export type WaitsFor = 'collector' | 'deadLetterFile' | 'state';

/** An attempt failed and will be repeated; until then shipping, or a part of it, waits. Emitted for each attempt. */
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

/** Progress of a listing, emitted for each page of each workspace. */
export interface ObjectsListed {
  readonly kind: 'objectsListed';
  readonly source: string;
  readonly workspaceId: string | undefined;
  /** On this page. */
  readonly listedCount: number;
  /** Of these, the objects whose version was already settled, so they are not opened. */
  readonly unchangedCount: number;
}

/** True when this process has to list the older dates of the source, and has not yet; false while another one leads, which lists them. */
export interface ListingDue {
  readonly kind: 'listingDue';
  readonly source: string;
  readonly isDue: boolean;
}

/**
 * The source has listed its workspaces; what is in them is listed while it is shipped. Sent again, with the same time, if a
 * fault is met later.
 */
export interface ListingEnded {
  readonly kind: 'listingEnded';
  readonly source: string;
  /** `recent`: the lookback window, listed at every poll. `older`: earlier dates. */
  readonly dates: 'recent' | 'older';
  readonly atMs: number;
  /** The first fault; undefined if everything was listed. */
  readonly fault: Fault | undefined;
}

/** What is known of the objects of a workspace. Sent when it changes: a workspace is `complete` without a word. */
export interface WorkspaceListed {
  readonly kind: 'workspaceListed';
  readonly source: string;
  /** As in `ListingEnded`. */
  readonly dates: 'recent' | 'older';
  readonly workspaceId: string | undefined;
  /**
   * `underWay`: its first listing has not ended. `incomplete`: a listing failed, and none has been complete since, so there may
   * be objects that nobody knows of.
   */
  readonly status: 'underWay' | 'complete' | 'incomplete';
  /** When its last listing began. */
  readonly begunAtMs: number;
  /** Why it is incomplete. */
  readonly fault: Fault | undefined;
}

/** A message of a notification queue was deleted, or goes back to the queue. */
export interface NotificationEnded {
  readonly kind: 'notificationEnded';
  readonly outcome: NotificationOutcome;
  /** The source of the object that the message names; undefined if it names none of ours. */
  readonly source: string | undefined;
  /** From the event to the look at the object; undefined if there was none, or if the message has no time. */
  readonly lagMs: number | undefined;
}

/**
 * What offered an object. `catchUp`: the first listing of recent dates after a start, and the first one of older dates, which find what
 * notifications could not be received for.
 */
export type FoundBy = 'notification' | 'listing' | 'catchUp';

export interface ObjectVisited {
  readonly kind: 'objectVisited';
  readonly source: string;
  readonly foundBy: FoundBy;
  readonly objectId: ObjectId;
  readonly workspaceId: string | undefined;
  readonly status: VisitOutcome['status'];
  readonly sizeBytes: number;
  /** Set if the status is `damaged` or `released`, and if it is `settled` but the object is not JSON Lines. */
  readonly fault: Fault | undefined;
}

/** The state knows of a fault of an object that is settled, from an earlier process or another one; or it is gone. */
export interface SettledFaultKnown {
  readonly kind: 'settledFaultKnown';
  readonly source: string;
  readonly objectId: ObjectId;
  readonly workspaceId: string | undefined;
  /** Undefined if another version without a fault is settled now. */
  readonly fault: SettledFault | undefined;
}

/** The objects of a workspace that were listed but not shipped. Sent when the number changes. */
export interface ObjectsWaiting {
  readonly kind: 'objectsWaiting';
  readonly source: string;
  /** As in `ListingEnded`: the two are counted separately, and no object is in both. */
  readonly dates: 'recent' | 'older';
  readonly workspaceId: string | undefined;
  readonly objectCount: number;
  readonly sizeBytes: number;
  /** LastModified of the oldest; undefined if there are none. */
  readonly oldestMs: number | undefined;
  /** Why they are not shipped; undefined if they are only queued. */
  readonly fault: Fault | undefined;
  readonly faultSinceMs: number | undefined;
}

/** One occurrence of a problem that has a code. */
export interface FaultMet {
  readonly kind: 'faultMet';
  /** Set if it concerns a source or an object in it. */
  readonly source?: string | undefined;
  readonly fault: Fault;
}

/** A workspace had no event for longer than the threshold, or has events again. */
export interface SilenceChanged {
  readonly kind: 'silenceChanged';
  readonly workspaceId: string | undefined;
  readonly silent: boolean;
  readonly lastEventMs: number;
  readonly thresholdMs: number;
}

/** An alert event was accepted or dead-lettered. It is not a line, so no count of lines includes it. */
export interface AlertEventEnded {
  readonly kind: 'alertEventEnded';
  readonly outcome: 'accepted' | 'deadLettered';
}

/** With a shared state: this process has looked at the others. */
export interface ReplicasSeen {
  readonly kind: 'replicasSeen';
  readonly atMs: number;
  /** When this process last told the others that it is alive. */
  readonly raisedAtMs: number;
  /** Objects that this process holds. */
  readonly claimCount: number;
  /** What this process does on behalf of all. */
  readonly leads: readonly LedTask[];
  readonly others: readonly {
    readonly id: string;
    readonly host: string;
    readonly version: string;
    readonly claimCount: number;
    /** How long it has given no sign of life, in steps of the interval. */
    readonly unchangedMs: number;
    readonly isAlive: boolean;
  }[];
}

/** An object was claimed whose owner is dead. */
export interface ClaimTakenOver {
  readonly kind: 'claimTakenOver';
}

/** Another replica has taken over an object that this process held. */
export interface ClaimLost {
  readonly kind: 'claimLost';
}

export const unobserved: Observer = () => {};

export function toFault({ code, message, hint }: AgentError): Fault {
  return { code, message, hint };
}
