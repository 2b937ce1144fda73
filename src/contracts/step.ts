/**
 * The named steps between "object listed" and "state on disk". Tests subscribe to the channel and kill the process at each
 * of them; docs/delivery.md has a row for each. Without a subscriber, a step costs one comparison.
 */
import { channel } from 'node:diagnostics_channel';

/** In execution order. "Durable" means on disk; everything else is in memory. */
export const steps = [
  'damaged file moved aside',
  'schema written',
  'message received',
  'object listed',
  'object opened',
  'prefix verified',
  'prefix mismatched',
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
  'message deleted',
] as const;

/** Further steps of a state that replicas share. */
export const sharedSteps = [
  'claim begun',
  'claimed',
  'batch put',
  'register written',
  'claim lost',
  'released',
] as const;

/** Of an agent whose state is in SQLite. */
export type LocalStep = (typeof steps)[number];

export type Step = LocalStep | (typeof sharedSteps)[number];

/** The message on the channel. */
export interface StepReached {
  readonly step: Step;
  /** Undefined if the step concerns the state or several objects. */
  readonly object: string | undefined;
}

export const stepChannelName = 'databricks-audit-otel:step';
const stepChannel = channel(stepChannelName);

export function reached(step: Step, object?: string): void {
  if (stepChannel.hasSubscribers) stepChannel.publish({ step, object } satisfies StepReached);
}
