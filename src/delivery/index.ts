export { type DeliverySummary, type PartitionSummary, readDeliverySummary } from './delivery-summary.ts';
export { openDeliveryState, type StateOptions } from './sqlite-state.ts';
export { openDeliveryReader } from './state-reader.ts';
