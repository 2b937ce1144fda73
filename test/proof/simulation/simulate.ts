/**
 * `npm run simulate -- --seeds 10000 [--first 1]`, or `-- --seconds 180` with new seeds: histories from seeds, two in parallel. It
 * stops at the first one that violates a guarantee, with its seed and the smallest plan that still does. `--seed 17 --trace` shows
 * one history call by call. With `--contested`, other replicas take claims away; with `--replicas`, several agents share
 * a hostile store.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { minimise } from './minimise.ts';
import { planOf } from './plan.ts';
import { replicaPlanOf } from './replica-plan.ts';
import { type Outcome, type StateKind, simulate } from './simulation.ts';
import { addTo, describeSums, emptySums } from './sums.ts';

const workersCount = 2;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seconds: { type: 'string' },
    first: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    contested: { type: 'boolean', default: false },
    replicas: { type: 'boolean', default: false },
  },
});

const state: StateKind = values.contested ? 'contested' : 'sqlite';
const planFor = values.replicas ? replicaPlanOf : planOf;

if (values.seed !== undefined) {
  await runOne(Number(values.seed), values.trace);
} else if (values.seconds !== undefined) {
  const unusedSeed = Math.floor(Date.now() / 1000);
  await runMany(Number(values.first ?? unusedSeed), Number(values.seeds ?? 1_000_000), Number(values.seconds) * 1000);
} else {
  await runMany(Number(values.first ?? 1), Number(values.seeds ?? 100), undefined);
}

async function runOne(seed: number, trace: boolean): Promise<void> {
  const plan = planFor(seed);
  if (trace) console.log(JSON.stringify(plan, undefined, 1));
  const outcome = await simulate(plan, trace ? console.log : undefined, state);
  console.log(outcome);
  if (outcome.problems.length > 0) await explain(seed);
}

async function runMany(first: number, count: number, limitMs: number | undefined): Promise<void> {
  const startedMs = performance.now();
  const sums = emptySums();
  const failed: number[] = [];
  await runSideBySide(first, count, limitMs, ({ seed, outcome }, stop) => {
    addTo(sums, outcome);
    if (sums.seeds % 500 === 0) console.log(describeSums(sums));
    if (outcome.problems.length === 0) return;
    failed.push(seed);
    console.log(`seed ${seed}: ${outcome.problems[0]}`);
    stop();
  });
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(`Seeds from ${first} on, in ${seconds} s: ${describeSums(sums)}; ${failed.length} failed`);
  if (failed.length > 0) await explain(Math.min(...failed));
}

type Finding = { readonly seed: number; readonly outcome: Outcome };

async function runSideBySide(
  first: number,
  count: number,
  limitMs: number | undefined,
  onFinding: (finding: Finding, stop: () => void) => void,
): Promise<void> {
  const workers = Array.from({ length: workersCount }, (_, index) => {
    const workerData = {
      first: first + index,
      step: workersCount,
      end: first + count,
      state,
      replicas: values.replicas,
    };
    return new Worker(new URL('worker.ts', import.meta.url), { workerData });
  });
  const stop = () => {
    for (const worker of workers) worker.postMessage('stop');
  };
  const timer = limitMs === undefined ? undefined : setTimeout(stop, limitMs);
  const ends = workers.map((worker) => {
    worker.on('message', (finding: Finding) => onFinding(finding, stop));
    return new Promise<void>((resolve, reject) => worker.on('error', reject).on('exit', () => resolve()));
  });
  await Promise.all(ends);
  clearTimeout(timer);
}

async function explain(seed: number): Promise<void> {
  const plan = await minimise(
    planFor(seed),
    async (candidate) => (await simulate(candidate, undefined, state)).problems.length > 0,
  );
  console.log(`\nSeed ${seed}; the smallest plan that still fails:\n${JSON.stringify(plan)}\n`);
  const { problems } = await simulate(plan, console.log, state);
  console.log(problems);
  process.exitCode = 1;
}
