/**
 * Contract: read-only access to the delivery state, also while an agent is using it.
 */
import type { ObjectId } from '../model/object.ts';
import type { Announcement, LineHashes, ObjectState } from './delivery-state.ts';

/** Everything that the state knows about one object: a consistent snapshot. */
export interface ObjectRecord {
  readonly state: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  /** See `Claim.settledLineHashes`. */
  readonly settledLineHashes: readonly LineHashes[];
  /** Settled lines of all versions, by outcome. */
  readonly acceptedCount: number;
  readonly deadLetteredCount: number;
}

export interface DeliveryReader {
  readonly hashSecret: Uint8Array;
  readonly createdOn: string;
  /** Rejects with ERR_STATE_DAMAGED. */
  read(id: ObjectId): Promise<ObjectRecord>;
  close(): Promise<void>;
}
