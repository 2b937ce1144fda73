export type { DeliverySummary, PartitionSummary } from '../contracts/delivery-summary.ts';
export type { OpenState } from '../contracts/open-state.ts';
export { readDeliveredTotals } from './delivered-totals.ts';
export { readDeliverySummary, readNewestPartitions } from './delivery-summary.ts';
export { type OpenDatabase, openDeliveryState, type StateOptions } from './sqlite-state.ts';
export { createStateFrom, openStateContents } from './state-copy.ts';
export { stateSizeBytes } from './state-directory.ts';
export { probeState } from './state-probe.ts';
export { openDeliveryReader } from './state-reader.ts';
