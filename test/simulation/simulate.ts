/**
 * `npm run simulate -- --seeds 10000 [--first 1]`: histories from seeds, side by side. The first that breaks a promise ends
 * it, with its seed and the smallest plan that still breaks one. `--seed N --trace` tells one history call by call.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { minimise } from './minimise.ts';
import { planOf } from './plan.ts';
import { type Outcome, simulate } from './simulation.ts';

const workersCount = 2;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

if (values.seed !== undefined) await runOne(Number(values.seed), values.trace);
else await runMany(Number(values.first), Number(values.seeds));

async function runOne(seed: number, trace: boolean): Promise<void> {
  const plan = planOf(seed);
  if (trace) console.log(JSON.stringify(plan, undefined, 1));
  const outcome = await simulate(plan, trace ? console.log : undefined);
  console.log(outcome);
  if (outcome.problems.length > 0) await explain(seed);
}

async function runMany(first: number, count: number): Promise<void> {
  const startedMs = performance.now();
  const sum = { seeds: 0, simulatedDays: 0, faults: 0, calls: 0, lines: 0, repeats: 0 };
  const failed: number[] = [];
  const workers = Array.from({ length: workersCount }, (_, index) => {
    const seeds = Array.from({ length: count }, (_, offset) => first + offset).filter(
      (seed) => seed % workersCount === index,
    );
    const worker = new Worker(new URL('worker.ts', import.meta.url), { workerData: seeds });
    worker.on('message', ({ seed, outcome }: { readonly seed: number; readonly outcome: Outcome }) => {
      sum.seeds++;
      sum.simulatedDays += outcome.simulatedMs / 86_400_000;
      sum.faults += outcome.faultCount;
      sum.calls += outcome.callCount;
      sum.lines += outcome.lineCount;
      sum.repeats += outcome.repeatCount;
      if (outcome.problems.length > 0) {
        failed.push(seed);
        console.log(`seed ${seed}: ${outcome.problems[0]}`);
      }
      if (sum.seeds % 500 === 0) console.log(`${sum.seeds} of ${count} seeds`);
    });
    return new Promise<void>((resolve, reject) => worker.on('error', reject).on('exit', () => resolve()));
  });
  await Promise.all(workers);
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  console.log(
    `${sum.seeds} seeds from ${first} on in ${seconds} s: ${Math.round(sum.simulatedDays)} simulated days, ` +
      `${sum.faults} faults and crashes, ${sum.lines} lines, ${sum.repeats} repeats, ${sum.calls} calls; ${failed.length} failed`,
  );
  if (failed.length === 0) return;
  await explain(Math.min(...failed));
}

async function explain(seed: number): Promise<void> {
  const plan = await minimise(planOf(seed), async (candidate) => (await simulate(candidate)).problems.length > 0);
  console.log(`\nSeed ${seed}; the smallest plan that still fails:\n${JSON.stringify(plan, undefined, 1)}\n`);
  const { problems } = await simulate(plan, console.log);
  console.log(problems);
  process.exitCode = 1;
}
