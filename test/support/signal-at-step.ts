/**
 * Preloaded into an agent (`node --import`): the process sends itself signals at named steps. SIGNALS_AT_STEPS is JSON: a list of
 * step, passing (counting from 1) and signal, which happen in this order.
 */
import { subscribe } from 'node:diagnostics_channel';
import { writeSync } from 'node:fs';
import { type Step, type StepReached, stepChannelName } from '../../src/contracts/step.ts';

export interface SignalAtStep {
  readonly step: Step;
  /** Counts from the signal before this one. */
  readonly passing: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

const [...signals] = JSON.parse(process.env.SIGNALS_AT_STEPS ?? '[]') as readonly SignalAtStep[];
let passings = 0;

subscribe(stepChannelName, (message) => {
  const [next] = signals;
  if (next === undefined || (message as StepReached).step !== next.step || ++passings < next.passing) return;
  signals.shift();
  passings = 0;
  // Synchronously: nothing happens after a SIGSTOP.
  writeSync(2, `${JSON.stringify({ level: 'info', msg: `${next.signal} at "${next.step}"` })}\n`);
  process.kill(process.pid, next.signal);
});
