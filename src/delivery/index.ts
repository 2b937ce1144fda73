export {
  type DeliverySummary,
  type PartitionSummary,
  readDeliverySummary,
  readNewestPartitions,
} from './delivery-summary.ts';
export { Scratch, scratchPath } from './scratch.ts';
export { type OpenDatabase, openDeliveryState, type StateOptions } from './sqlite-state.ts';
export { stateSizeBytes } from './state-directory.ts';
export { openDeliveryReader } from './state-reader.ts';
