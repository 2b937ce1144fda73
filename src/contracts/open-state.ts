/**
 * Contract: everything that an agent needs of its state.
 */
import type { DeliveryState } from './delivery-state.ts';
import type { SilenceState } from './silence-state.ts';

export interface OpenState extends DeliveryState, SilenceState {
  /**
   * Drops the line hashes of objects that are settled and have a date before this one (`yyyy-mm-dd`), and keeps their positions.
   * Objects without a date are judged by their modification time.
   */
  dropLineHashes(before: string): void;
  /**
   * Gives up every claim and lead, whose `lost` aborts, and grants none until the returned function is called. Others can have an object
   * as soon as its visit has released the claim. Undefined for a state that belongs to one process.
   */
  standAside?(): () => void;
}
