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
  const outcome = await simulate(planOf(seed)).catch((error: unknown) => {
    throw new Error(`seed ${seed} threw`, { cause: error });
  });
  parentPort?.postMessage({ seed, outcome });
}
parentPort?.close();
