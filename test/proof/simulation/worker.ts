/**
 * Runs every n-th seed until it is told to stop, and reports each result.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { planOf } from './plan.ts';
import { replicaPlanOf } from './replica-plan.ts';
import { type StateKind, simulate } from './simulation.ts';

const { first, step, end, state, replicas } = workerData as {
  readonly first: number;
  readonly step: number;
  readonly end: number;
  readonly state: StateKind;
  readonly replicas: boolean;
};
let stopped = false;
parentPort?.on('message', () => {
  stopped = true;
});
for (let seed = first; seed < end && !stopped; seed += step) {
  const outcome = await simulate((replicas ? replicaPlanOf : planOf)(seed), undefined, state).catch(
    (error: unknown) => {
      throw new Error(`seed ${seed} threw`, { cause: error });
    },
  );
  parentPort?.postMessage({ seed, outcome });
}
parentPort?.close();
