/**
 * Preloaded into an agent (`node --import`): kills its own process when the step named by KILL_AT_STEP is reached for the
 * time that KILL_AT_PASSING says.
 */
import { subscribe } from 'node:diagnostics_channel';
import { type StepReached, stepChannelName } from '../../src/contracts/step.ts';

const { KILL_AT_STEP, KILL_AT_PASSING } = process.env;
let passingsLeft = Number(KILL_AT_PASSING);

subscribe(stepChannelName, (message) => {
  if ((message as StepReached).step !== KILL_AT_STEP) return;
  if (--passingsLeft === 0) process.kill(process.pid, 'SIGKILL');
});
