/**
 * Runs the seeds that it is given, and tells what each came to.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { planOf } from './plan.ts';
import { simulate } from './simulation.ts';

let stopped = false;
parentPort?.on('message', () => {
  stopped = true;
});
for (const seed of workerData as readonly number[]) {
  if (stopped) break;
  parentPort?.postMessage({ seed, outcome: await simulate(planOf(seed)) });
}
parentPort?.close();
