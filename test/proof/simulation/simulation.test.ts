/**
 * The simulation as a test: histories that once found a defect, and then as many as fit into `SIMULATION_SECONDS` on two
 * cores. docs/delivery.md explains what a history is; `npm run simulate` runs many.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testSeed } from '../../support/seed.ts';
import { minimise } from './minimise.ts';
import { type Plan, planOf } from './plan.ts';
import { replicaPlanOf } from './replica-plan.ts';
import { simulate } from './simulation.ts';

interface CorpusEntry {
  /** What it found, or which mechanism has to be removed from the agent for it to fail. */
  readonly found: string;
  readonly plan: Plan;
}

const corpus: readonly CorpusEntry[] = JSON.parse(readFileSync(new URL('corpus.json', import.meta.url), 'utf8'));
const seconds = Number(process.env.SIMULATION_SECONDS ?? 180);

describe('the agent in a simulated world', () => {
  it.each(corpus)('keeps its guarantees in a history that $found', async ({ plan }) => {
    expect((await simulate(plan)).problems).toEqual([]);
  });

  it.each([
    { state: 'with SQLite', share: 1 / 2, options: [] },
    { state: 'with a state whose claims are refused and taken over', share: 1 / 6, options: ['--contested'] },
    { state: 'with replicas on a hostile store', share: 1 / 3, options: ['--replicas'] },
  ])(
    `keeps its promises in the histories $state, from seed ${testSeed} on`,
    { timeout: 1_800_000 },
    async ({ share, options }) => {
      const command = fileURLToPath(new URL('simulate.ts', import.meta.url));
      const settings = ['--seconds', String(Math.ceil(seconds * share)), '--first', String(testSeed), ...options];
      // What it finds is shown at once: making it smaller takes a while.
      const child = spawn(process.execPath, [command, ...settings], { stdio: ['ignore', 'inherit', 'inherit'] });
      onTestFinished(() => void child.kill('SIGKILL'));
      const [code] = await once(child, 'close');
      expect(code).toBe(0);
    },
  );

  it('has the same history for the same seed', async () => {
    for (let seed = testSeed; seed < testSeed + 5; seed++) {
      const { traceHash } = await simulate(planOf(seed));
      expect((await simulate(planOf(seed))).traceHash, `seed ${seed}`).toBe(traceHash);
    }
    const replicas = replicaPlanOf(testSeed);
    expect((await simulate(replicas)).traceHash).toBe((await simulate(replicas)).traceHash);
  });

  it('has a failing history minimised', async () => {
    const plan = planOf(1);
    const needed = [plan.steps[2], plan.steps[5]];
    const smallest = await minimise(plan, async ({ steps }) => needed.every((step) => step && steps.includes(step)));
    expect(smallest.steps).toHaveLength(2);
  });
});
