export type { DeliveredBefore } from './activity.ts';
export { Counters } from './counters.ts';
export { startTelemetry, type Telemetry } from './telemetry.ts';
