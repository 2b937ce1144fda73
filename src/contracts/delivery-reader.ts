/**
 * Contract: read-only access to the delivery state, also while an agent is using it.
 */
import type { ObjectId } from '../model/object.ts';
import type { Announcement, ObjectState, SettledLines } from './delivery-state.ts';

/** Everything that the state knows about one object: a consistent snapshot. */
export interface ObjectRecord {
  readonly state: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  /**
   * All settled lines, in the order in which they were settled: the nth entry of a hash is the nth occurrence of its line.
   * Empty if the line hashes were dropped after the lookback window.
   */
  readonly settledLines: readonly SettledLines[];
  /** Settled lines of all versions, by outcome. */
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
}

export interface DeliveryReader {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  /** Rejects with ERR_STATE_DAMAGED. */
  read(id: ObjectId): Promise<ObjectRecord>;
  /** As that of a `DeliveryState`. */
  knowsAny(idsBeginWith: readonly string[], signal: AbortSignal): Promise<boolean>;
  close(): Promise<void>;
}
