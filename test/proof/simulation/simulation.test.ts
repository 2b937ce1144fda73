/**
 * The simulation as a test: the histories that once found something, always, and then as many fresh ones as fit in
 * `SIMULATION_SECONDS`. docs/delivery.md tells what a history is; `npm run simulate` runs many.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { minimise } from './minimise.ts';
import { type Plan, planOf } from './plan.ts';
import { simulate } from './simulation.ts';
import { addTo, describeSums, emptySums } from './sums.ts';

interface CorpusEntry {
  /** What it found, or what has to be taken out of the agent for it to fail. */
  readonly found: string;
  readonly plan: Plan;
}

const corpus: readonly CorpusEntry[] = JSON.parse(readFileSync(new URL('corpus.json', import.meta.url), 'utf8'));
const limitMs = 1000 * Number(process.env.SIMULATION_SECONDS ?? 20);
const firstSeed = Number(process.env.SIMULATION_FIRST_SEED ?? Math.floor(Date.now() / 1000));

describe('The agent in a simulated world', () => {
  it.each(corpus)('keeps its promises in a history that $found', async ({ plan }) => {
    expect((await simulate(plan)).problems).toEqual([]);
  });

  it(`keeps its promises in fresh histories, from seed ${firstSeed} on`, { timeout: limitMs + 120_000 }, async () => {
    const sums = emptySums();
    const deadlineMs = performance.now() + limitMs;
    for (let seed = firstSeed; performance.now() < deadlineMs; seed++) {
      const outcome = await simulate(planOf(seed));
      addTo(sums, outcome);
      expect(outcome.problems, `npm run simulate -- --seed ${seed} --trace`).toEqual([]);
    }
    console.log(`Simulated ${describeSums(sums)}`);
  });

  it('is the same history for the same seed', async () => {
    for (let seed = firstSeed; seed < firstSeed + 5; seed++) {
      const { traceHash } = await simulate(planOf(seed));
      expect((await simulate(planOf(seed))).traceHash, `seed ${seed}`).toBe(traceHash);
    }
  });

  it('is made smaller for as long as it fails', async () => {
    const plan = planOf(1);
    const needed = [plan.steps[2], plan.steps[5]];
    const smallest = await minimise(plan, async ({ steps }) => needed.every((step) => step && steps.includes(step)));
    expect(smallest.steps).toHaveLength(2);
  });
});
