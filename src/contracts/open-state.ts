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
}
