export type { DeliveredBefore, DeliveredTotals, WaitingDeadLetters } from './activity.ts';
export { Counters } from './counters.ts';
export { startOwnLogs, startTelemetry, type Telemetry } from './telemetry.ts';
export { chartDatesMax } from './workspace-activity.ts';
