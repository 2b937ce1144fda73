/**
 * Contract: a queue of notifications, a second producer of candidates next to the listings of a source.
 *
 * A notification is a hint that says "look at this object". What is there is decided by a look at the object after the notification was
 * received, so notifications may be lost, doubled, late, out of order or forged: at worst an object is visited in vain.
 */
import type { AgentError } from '../model/agent-error.ts';
import type { Candidate, DateRange } from './source.ts';

export interface NotificationQueue {
  /** For messages; contains no secret. */
  readonly name: string;
  /**
   * Waits a while for notifications and looks at the objects that they name.
   * Resolves to a candidate for each object that is there; to none if nothing arrived. A notification is deleted once all of its objects
   * are settled or gone, and comes again otherwise.
   * Rejects with an AgentError if the queue cannot be read, and with the signal's reason if it aborts.
   */
  receive(request: ReceiveRequest): Promise<readonly NotifiedCandidate[]>;
  /** Gives back what was received and has not ended. */
  close(): Promise<void>;
}

export interface ReceiveRequest {
  /** Receives at most this many notifications. */
  readonly countMax: number;
  /** Objects of other dates are not looked at. */
  readonly dates: DateRange;
  readonly signal: AbortSignal;
  /** Receives faults of single notifications and objects. */
  readonly onFault: (fault: AgentError) => void;
}

export interface NotifiedCandidate extends Candidate {
  /** The name of the source that contains the object. */
  readonly source: string;
}

/** How a notification ended. The last two go back to the queue; all others are deleted. */
export type NotificationOutcome =
  | 'settled'
  | 'unchanged'
  | 'damaged'
  /** The object no longer exists. */
  | 'gone'
  /** Of another bucket, another prefix, outside the delivery layout, or of a date before the start. */
  | 'outside'
  /** An object was removed. */
  | 'removal'
  /** Another event of a bucket, such as a change of tags. */
  | 'other'
  /** Sent by S3 when notifications are configured. */
  | 'test'
  /** SNS asks to confirm a subscription, or reports that it has ended. */
  | 'subscription'
  /** Not a notification. */
  | 'unknown'
  /** The object could not be read completely. */
  | 'released'
  /** Another visit holds the object, or one of an earlier date of its workspace. */
  | 'elsewhere';
