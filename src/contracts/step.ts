/**
 * Every step between "object listed" and "state on disk", by name. Tests subscribe to the channel and end the process there;
 * docs/delivery.md has a row for each. Without a subscriber a step is one comparison.
 */
import { channel } from 'node:diagnostics_channel';

/** In the order of a life. "Durable" is on the disk; everything else is in memory. */
export const steps = [
  'damaged file set aside',
  'schema written',
  'object listed',
  'object opened',
  'prefix verified',
  'prefix refused',
  'batch collected',
  'batch announced',
  'commit begun',
  'commit written',
  'commit durable',
  'announcement durable',
  'request begun',
  'request answered',
  'half of a batch ended',
  'dead letter begun',
  'dead letter written',
  'dead letter durable',
  'batch ended',
  'batch settled',
  'object finished',
  'object settled',
] as const;

export type Step = (typeof steps)[number];

/** What subscribers are given. */
export interface StepReached {
  readonly step: Step;
  /** The object that it is about; undefined where it is about the state or several objects. */
  readonly object: string | undefined;
}

export const stepChannelName = 'databricks-audit-otel:step';
const stepChannel = channel(stepChannelName);

export function reached(step: Step, object?: string): void {
  if (stepChannel.hasSubscribers) stepChannel.publish({ step, object } satisfies StepReached);
}
