/**
 * Runs every n-th seed until it is told to stop, and tells what each came to.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { planOf } from './plan.ts';
import { simulate } from './simulation.ts';

const { first, step, end } = workerData as { readonly first: number; readonly step: number; readonly end: number };
let stopped = false;
parentPort?.on('message', () => {
  stopped = true;
});
for (let seed = first; seed < end && !stopped; seed += step) {
  parentPort?.postMessage({ seed, outcome: await simulate(planOf(seed)) });
}
parentPort?.close();
