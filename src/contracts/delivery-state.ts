/**
 * Contract: the durable record of what was delivered. docs/delivery.md describes how the pipeline uses it.
 *
 * The boundary is the claim: one visit to one object. Everything known about the object comes with the claim, and everything
 * the visit learns is written through it. While a claim is held, nobody else ships the object. The SQLite state belongs to
 * one process and never takes a claim away; a state shared by replicas may do so when the owner appears to be dead.
 */
import assert from 'node:assert';
import type { DeliveredObject, ObjectId, ObjectVersion } from '../model/object.ts';
import type { SettledFault } from './settled-fault.ts';

/** A position in the decoded object, with a digest that identifies the bytes before it. */
export interface Position {
  readonly offsetBytes: number;
  readonly lineCount: number;
  /** SHA-256 of the decoded bytes before the offset. */
  readonly digest: Uint8Array;
}

export interface ObjectState {
  /** The last version that was settled completely; undefined if there is none. */
  readonly settledVersion: ObjectVersion | undefined;
  /** Of that version; undefined if nothing was wrong with it. */
  readonly settledFault?: SettledFault | undefined;
  readonly settled: Position;
  /** False if the hashes of the settled lines were dropped after the lookback window. */
  readonly hasLineHashes: boolean;
}

/**
 * Line hashes of eight bytes, each as two words: [high 0, low 0, high 1, low 1, ...]. They are keyed with the secret of the
 * state (pipeline/line-hash.ts).
 */
export type LineHashes = Int32Array;

/** Lines about to be sent, with the observed time that they keep if they have to be sent again. */
export interface Announcement {
  readonly observedAtMs: number;
  readonly lineHashes: LineHashes;
  /**
   * For each line, which occurrence of its bytes in the object it is, counting from 1. 0 marks a hash that already includes
   * the occurrence, as written before schema version 3.
   */
  readonly occurrences: Int32Array;
}

/** Consecutive lines of a batch that were sent with the same observed time. */
export interface ObservedRun {
  readonly observedAtMs: number;
  readonly lineCount: number;
}

/** Settled lines that were sent with the same observed time. */
export interface SettledLines {
  readonly lineHashes: LineHashes;
  /** Undefined for lines that were settled before schema version 5. */
  readonly observedAtMs: number | undefined;
}

export type AnnouncementId = number & { readonly __brand: 'AnnouncementId' };

/** The final outcome of one batch. Batches are settled in object order. */
export interface Settlement {
  /** The announcement of the batch, whose lines are among these; undefined if all lines were announced before a crash. */
  readonly announcementId: AnnouncementId | undefined;
  /** The new settled position; undefined while a rewritten object is compared line by line. */
  readonly position: Position | undefined;
  readonly lineHashes: LineHashes;
  /**
   * The observed times of these lines, in order. The state keeps them as long as the line hashes, so that a line can be sent
   * again byte for byte. Usually one run: several only if some of the lines were announced before a crash.
   */
  readonly observedRuns: readonly ObservedRun[];
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** Lines that could not be parsed; they are in one of the other two counts as well. */
  readonly unparsedCount?: number | undefined;
  /** Time of the newest event in the batch; undefined if none of its lines has a time. */
  readonly newestEventMs?: number | undefined;
}

/** The lines of a batch, one part for each run of the same observed time. */
export function settledLinesOf({ lineHashes, observedRuns }: Settlement): SettledLines[] {
  let endLine = 0;
  const parts = observedRuns.map(({ observedAtMs, lineCount }) => {
    const startLine = endLine;
    endLine += lineCount;
    return { observedAtMs, lineHashes: lineHashes.subarray(2 * startLine, 2 * endLine) };
  });
  assert(2 * endLine === lineHashes.length, 'every settled line has an observed time');
  return parts;
}

export interface DeliveryState {
  /** Random bytes that key the line hashes of this state, so that nobody can craft two lines that collide. */
  readonly hashSecret: Uint8Array;
  /** The UTC date, `yyyy-mm-dd`, on which this state was created: the meaning of `DATABRICKS_AUDIT_START=now`. */
  readonly createdOn: string;
  /** The objects of a listing page whose version is not settled, in the same order. Rejects with ERR_STATE_DAMAGED. */
  unsettled(objects: readonly DeliveredObject[]): Promise<readonly DeliveredObject[]>;
  /** What was wrong with the objects whose version is settled. Ask for those that `unsettled` has left out. */
  settledFaults(objects: readonly DeliveredObject[]): Promise<ReadonlyMap<ObjectId, SettledFault>>;
  /** Whether it knows objects whose ids begin with one of these. A shared state may have to be read as a whole. */
  knowsAny(idsBeginWith: readonly string[], signal: AbortSignal): Promise<boolean>;
  /**
   * Claims the object for one visit. `settled`: this version was settled completely, so there is nothing to do.
   * `elsewhere`: another visit holds the claim. Rejects with ERR_STATE_DAMAGED or the signal's reason.
   */
  claim(object: DeliveredObject, signal: AbortSignal): Promise<Claim | 'settled' | 'elsewhere'>;
  /**
   * Makes the next visit read the object even if its version is settled, and compare it line by line with what was settled;
   * without line hashes, the visit continues after the settled position. The change is durable when this resolves.
   */
  reopen(object: DeliveredObject, signal: AbortSignal): Promise<void>;
  /** Asks to lead a task that one process does on behalf of all. Undefined while another process leads. */
  lead(task: LedTask): Promise<Lead | undefined>;
  /** Writes pending changes. Call it last. */
  close(): Promise<void>;
}

export type LedTask = 'sweep' | 'silence';

export interface Lead {
  /** Aborts when another process has taken over the task, or may do so because this one stands aside. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * One visit to one object. `announce`, `settle`, `finish` and `forget` record a change in memory, in order; `flush` makes all
 * changes so far durable. A batch is sent only after its announcement was flushed; nothing waits for a settlement.
 */
export interface Claim {
  /** The state when the claim was granted; undefined for an object that was never visited. */
  readonly known: ObjectState | undefined;
  /** Announcements that earlier visits left unsettled. */
  readonly announcements: readonly Announcement[];
  /**
   * The hashes of all settled lines of the object; a line that was settled twice appears twice. Rejects if some of them are gone since the
   * claim was granted; the next visit does without line hashes. Do not ship anything before all of them were read.
   */
  settledLineHashes(): AsyncIterable<LineHashes>;
  /**
   * Aborts when another visit has taken over the object, and changes have no effect from then on; or when this process stands
   * aside (open-state.ts). This visit must end.
   */
  readonly lost: AbortSignal;
  announce(announcement: Announcement): AnnouncementId;
  /** Also removes the announcement of the batch. */
  settle(settlement: Settlement): void;
  /**
   * Records that the version is settled completely.
   * @param stillAnnounced replaces the announcements of the object: lines that were in flight when a process died and are
   * not in this version. If they come back, they get the observed time with which they were sent.
   * @param fault what was wrong with the version, if anything.
   */
  finish(version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[], fault?: SettledFault): void;
  /** Deletes everything known about the object, as if it had never been visited. */
  forget(): void;
  /**
   * Resolves when all changes of this claim so far are durable. Retries while the disk is full or not writable, so shipping
   * pauses instead of losing its place. Rejects if a signal (`lost` too) aborts, or with ERR_STATE_DAMAGED.
   */
  flush(signal: AbortSignal): Promise<void>;
  /**
   * Called before each attempt to send a batch. Resolves if the claim is held as far as this process can know; if it has not
   * given a sign of life for a while, it asks. Rejects if the claim is lost. Undefined if a claim cannot be lost.
   */
  readonly confirm?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Ends the claim; changes that were not flushed are still written. Never rejects. */
  release(): Promise<void>;
}
