/**
 * Contract: reads the delivery state without taking part in it, also while an agent ships.
 */
import type { ObjectId } from '../model/object.ts';
import type { Announcement, LineHashes, ObjectState } from './delivery-state.ts';

/** Everything that the state knows about one object, as of one moment. */
export interface ObjectRecord {
  readonly state: ObjectState | undefined;
  readonly announcements: readonly Announcement[];
  /** Of all settled lines, as `Claim.settledLineHashes`. */
  readonly settledLineHashes: readonly LineHashes[];
  /** Settled lines of all versions, by their outcome. */
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
