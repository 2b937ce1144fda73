export { type DeliverySummary, type PartitionSummary, readDeliverySummary } from './delivery-summary.ts';
export { type OpenDatabase, openDeliveryState, type StateOptions } from './sqlite-state.ts';
