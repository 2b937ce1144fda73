/**
 * Preloaded into an agent (`node --import`): throws in the thread that reaches the step named by FAIL_AT_STEP, as a bug would.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type StepReached, stepChannelName } from '../../src/contracts/step.ts';

subscribe(stepChannelName, (message) => {
  // An error thrown in a subscriber ends the thread in the next tick, as if the thread itself had thrown it.
  if ((message as StepReached).step === process.env.FAIL_AT_STEP) throw new TypeError('a fault of the program');
});
