/**
 * Contract: what is known to be delivered, on disk. docs/delivery.md draws how the pipeline uses it.
 *
 * Writing has two steps: `announce`, `settle` and `finish` change the state in memory, `flush` makes all changes so far
 * durable in one transaction. Sending waits for the flush of its announcement; nothing waits for the flush of a settlement.
 */
import type { ObjectId, ObjectOrigin, ObjectVersion } from '../model/object.ts';

/** A position in the decoded object, with what recognises the bytes before it. */
export interface Position {
  readonly offsetBytes: number;
  readonly lineCount: number;
  /** SHA-256 of the decoded bytes before the offset. */
  readonly digest: Uint8Array;
}

export interface ObjectState {
  /** The version whose end was reached with everything settled; undefined before that. */
  readonly settledVersion: ObjectVersion | undefined;
  readonly settled: Position;
  /** False when the hashes of the settled lines were dropped after the look-back. */
  readonly hasLineHashes: boolean;
}

/**
 * Hashes of lines, eight bytes each as two words: [high 0, low 0, high 1, low 1, ...]. They are made with the secret of
 * the state (pipeline/line-hash.ts).
 */
export type LineHashes = Int32Array;

/** Lines about to be sent, and the observed time that they take now and whenever they are sent again. */
export interface Announcement {
  readonly observedAtMs: number;
  /** Hashes of line and occurrence, so that each line of the object has one of its own. */
  readonly occurrenceHashes: LineHashes;
}

export type AnnouncementId = number & { readonly __brand: 'AnnouncementId' };

/** The end of one batch, in the order of the object. */
export interface Settlement {
  /** What was announced for the batch; undefined when all of it stood in the state from before a crash. */
  readonly announcementId: AnnouncementId | undefined;
  /** Where the object is settled up to; undefined while a rewritten object is compared line by line. */
  readonly position: Position | undefined;
  readonly lineHashes: LineHashes;
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
  /** Of the batch; undefined when none of its lines has a time. */
  readonly newestEventMs?: number | undefined;
}

/** What was settled last of a workspace. */
export interface WorkspaceEvents {
  /** From the path; undefined in layouts that have none. */
  readonly workspaceId: string | undefined;
  readonly lastEventMs: number;
  /** Set from when it was noticed until its end was told. */
  readonly silence: Silence | undefined;
}

export interface Silence {
  /** The last event before it. */
  readonly sinceMs: number;
  readonly thresholdMs: number;
  /** The notice of it has come to its end. */
  readonly isTold: boolean;
  /** The newest event of the first batch that was settled since. */
  readonly endedByMs: number | undefined;
}

/**
 * Counts of lines on disk, for an object with more lines than memory should hold. Scratch: it ends with the reading that
 * uses it, and is worth nothing after a crash.
 */
export interface LineIndex {
  /** How often the line was settled and met, as it was put last. */
  get(high: number, low: number): { readonly settled: number; readonly met: number } | undefined;
  /**
   * @param slots four words each: high and low word of a line's hash, how often it was settled, how often it was met. Where
   * both counts are 0 there is no line.
   */
  put(slots: Int32Array): void;
  /** Each settled line counts as met as often as it was settled. */
  skipSettled(): void;
  close(): void;
}

export interface DeliveryState {
  /** Random bytes that belong to this state and go into its hashes, so that nobody can craft two lines with one hash. */
  readonly hashSecret: Uint8Array;
  /** The UTC date, `yyyy-mm-dd`, of the day on which this state began: what `DATABRICKS_AUDIT_START=now` means ever after. */
  readonly createdOn: string;
  find(id: ObjectId): ObjectState | undefined;
  /** The hashes of all settled lines of the object, one entry for each time that the line was settled. */
  settledLineHashes(id: ObjectId): Iterable<LineHashes>;
  createLineIndex(): LineIndex;
  /** What was announced and not settled when the process ended. */
  announcements(id: ObjectId): Iterable<Announcement>;
  announce(origin: ObjectOrigin, announcement: Announcement): AnnouncementId;
  /** Forgets the batch's announcement. */
  settle(origin: ObjectOrigin, settlement: Settlement): void;
  /**
   * The end of the version was reached and everything before it is settled.
   * @param stillAnnounced replaces the announcements of the object: lines that were in flight when a process died and that
   * are missing in this version. Should they come back, they take the observed time that they were sent with.
   */
  finish(origin: ObjectOrigin, version: ObjectVersion, end: Position, stillAnnounced: readonly Announcement[]): void;
  /** The object is as if it had never been seen. */
  forget(id: ObjectId): void;
  /**
   * The next visit reads the object whatever its version, and compares it line by line with what was settled; without line
   * hashes it goes on behind the settled position.
   */
  reopen(id: ObjectId): void;
  /** Every workspace that an event was settled of. */
  workspaces(): readonly WorkspaceEvents[];
  beginSilence(workspaceId: string | undefined, sinceMs: number, thresholdMs: number): void;
  silenceTold(workspaceId: string | undefined): void;
  endSilence(workspaceId: string | undefined): void;
  /** Drops the line hashes of objects of dates before this one (`yyyy-mm-dd`); their positions stay. */
  dropLineHashes(before: string): void;
  /**
   * Resolves when everything so far is durable. While the disk is full or not writable it keeps trying, so that shipping
   * pauses instead of losing its place. Rejects when the signal is aborted, or with ERR_STATE_DAMAGED.
   */
  flush(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** What shipping one object takes of it. */
export type ShippingState = Pick<
  DeliveryState,
  | 'hashSecret'
  | 'find'
  | 'settledLineHashes'
  | 'createLineIndex'
  | 'announcements'
  | 'announce'
  | 'settle'
  | 'finish'
  | 'forget'
  | 'flush'
>;

/** Looks into the state beside whoever writes it. */
export interface DeliveryReader
  extends Pick<
    DeliveryState,
    'hashSecret' | 'createdOn' | 'find' | 'settledLineHashes' | 'announcements' | 'createLineIndex'
  > {
  /** How many lines of the object were settled, by how they ended. */
  counts(id: ObjectId): { readonly acceptedCount: number; readonly deadLetteredCount: number };
  /** Everything that `look` reads is of one moment. */
  inSnapshot<Result>(look: () => Result): Result;
  close(): void;
}
