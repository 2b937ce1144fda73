/**
 * Contract: the durable record of what was delivered. docs/delivery.md draws how the pipeline uses it.
 *
 * The boundary is the claim: one visit to one object. Everything known about the object comes with the claim, and everything
 * the visit learns is written through it. While a claim is held nobody else ships the object. SQLite, which has one process,
 * always grants a claim; a state that replicas share may refuse one, or take it away when its owner seems dead.
 */
import type { DeliveredObject, ObjectVersion } from '../model/object.ts';

/** A position in the decoded object, and the digest that recognises the bytes before it. */
export interface Position {
  readonly offsetBytes: number;
  readonly lineCount: number;
  /** SHA-256 of the decoded bytes before the offset. */
  readonly digest: Uint8Array;
}

export interface ObjectState {
  /** The version that was settled to its end; undefined before that. */
  readonly settledVersion: ObjectVersion | undefined;
  readonly settled: Position;
  /** False when the hashes of the settled lines were dropped after the look-back. */
  readonly hasLineHashes: boolean;
}

/**
 * Hashes of lines, eight bytes each as two words: [high 0, low 0, high 1, low 1, ...]. They are keyed with the secret of the
 * state (pipeline/line-hash.ts).
 */
export type LineHashes = Int32Array;

/** Lines about to be sent, and the observed time that they get now and whenever they are sent again. */
export interface Announcement {
  readonly observedAtMs: number;
  readonly lineHashes: LineHashes;
  /**
   * For each line, which occurrence of its bytes in the object it is, from 1. 0 marks a hash that already includes the
   * occurrence: states written before schema version 3 hold such.
   */
  readonly occurrences: Int32Array;
}

export type AnnouncementId = number & { readonly __brand: 'AnnouncementId' };

/** The final outcome of one batch, in the order of the object. */
export interface Settlement {
  /** What was announced for the batch; undefined when all of it was announced before a crash. */
  readonly announcementId: AnnouncementId | undefined;
  /** Up to where the object is settled; undefined while a rewritten object is compared line by line. */
  readonly position: Position | undefined;
  readonly lineHashes: LineHashes;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** Lines that could not be parsed; they are in one of the other two counts as well. */
  readonly unparsedCount?: number | undefined;
  /** Of the batch; undefined when none of its lines has a time. */
  readonly newestEventMs?: number | undefined;
}

export interface DeliveryState {
  /** Random bytes that key the hashes of this state, so that nobody can craft two lines with the same hash. */
  readonly hashSecret: Uint8Array;
  /** The UTC date, `yyyy-mm-dd`, on which this state was created: what `DATABRICKS_AUDIT_START=now` means from then on. */
  readonly createdOn: string;
  /** Those of a page of a listing whose version is not settled, in their order. Rejects with ERR_STATE_DAMAGED. */
  unsettled(objects: readonly DeliveredObject[]): Promise<readonly DeliveredObject[]>;
  /**
   * Claims the object for one visit. `settled`: this version was settled to its end, so there is nothing to visit.
   * `elsewhere`: another visit holds the claim. Rejects with ERR_STATE_DAMAGED or the signal's reason.
   */
  claim(object: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere'>;
  /**
   * Makes the next visit read the object whatever its version, and compare it line by line with what was settled; without
   * line hashes it continues after the settled position. Durable when it resolves.
   */
  reopen(object: DeliveredObject, signal: AbortSignal): Promise<void>;
  /** Asks for work that one process does for all. Undefined while another process leads. */
  lead(task: LedTask): Promise<Lead | undefined>;
  /** Writes what is left to write. Call it last. */
  close(): Promise<void>;
}

export type LedTask = 'sweep' | 'silence';

export interface Lead {
  /** Aborted when another process has taken over the task. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * One visit to one object. `announce`, `settle`, `finish` and `forget` record a change in memory, in order; `flush` makes all
 * changes so far durable. Sending waits for the flush of its announcement; nothing waits for the flush of a settlement.
 */
export interface Claim {
  /** As it was when the claim was granted; undefined for an object that was never visited. */
  readonly known: ObjectState | undefined;
  /** What was announced and not settled when an earlier visit ended. */
  readonly announcements: readonly Announcement[];
  /** The hashes of all settled lines of the object, one entry for each time that a line was settled. */
  settledLineHashes(): AsyncIterable<LineHashes>;
  /** Aborted when somebody else has claimed the object: the visit must end. Changes have no effect from then on. */
  readonly lost: AbortSignal;
  announce(announcement: Announcement): AnnouncementId;
  /** Also drops the batch's announcement. */
  settle(settlement: Settlement): void;
  /**
   * The end of the version was reached and everything before it is settled.
   * @param stillAnnounced replaces the announcements of the object: lines that were in flight when a process died and that
   * this version does not hold. Should they return, they get the observed time that they were sent with.
   */
  finish(version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[]): void;
  /** The object is as if it had never been visited. */
  forget(): void;
  /**
   * Resolves when all changes of this claim so far are durable. While the disk is full or not writable it keeps trying, so
   * that shipping pauses instead of losing its place. Rejects when a signal is aborted (`lost` too), or with ERR_STATE_DAMAGED.
   */
  flush(signal: AbortSignal): Promise<void>;
  /** Gives the claim up; changes that were not flushed are still written. Never rejects. */
  release(): Promise<void>;
}
