/**
 * Preloaded into an agent (`node --import`): kills the process when it reaches the step named by KILL_AT_STEP for the nth time, where
 * n is KILL_AT_PASSING.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type StepReached, stepChannelName } from '../../src/contracts/step.ts';

const { KILL_AT_STEP, KILL_AT_PASSING } = process.env;
let passingsLeft = Number(KILL_AT_PASSING);

subscribe(stepChannelName, (message) => {
  if ((message as StepReached).step !== KILL_AT_STEP) return;
  if (--passingsLeft === 0) process.kill(process.pid, 'SIGKILL');
});
