/**
 * Preloaded into an agent (`node --import`): throws in whichever thread reaches the step named by FAIL_AT_STEP, as a fault of the
 * program would.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type StepReached, stepChannelName } from '../../src/contracts/step.ts';

subscribe(stepChannelName, (message) => {
  // What a subscriber throws ends the thread in the next tick, as it would if the thread itself had thrown.
  if ((message as StepReached).step === process.env.FAIL_AT_STEP) throw new TypeError('a fault of the program');
});
