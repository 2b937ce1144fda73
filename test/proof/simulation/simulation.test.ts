/**
 * The simulation as a test: the histories that once found something, and then as many fresh ones as fit in
 * `SIMULATION_SECONDS` on two cores. docs/delivery.md tells what a history is; `npm run simulate` runs many.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { minimise } from './minimise.ts';
import { type Plan, planOf } from './plan.ts';
import { simulate } from './simulation.ts';

interface CorpusEntry {
  /** What it found, or what has to be taken out of the agent for it to fail. */
  readonly found: string;
  readonly plan: Plan;
}

const corpus: readonly CorpusEntry[] = JSON.parse(readFileSync(new URL('corpus.json', import.meta.url), 'utf8'));
const seconds = Number(process.env.SIMULATION_SECONDS ?? 180);
const firstSeed = Number(process.env.SIMULATION_FIRST_SEED ?? Math.floor(Date.now() / 1000));

describe('The agent in a simulated world', () => {
  it.each(corpus)('keeps its promises in a history that $found', async ({ plan }) => {
    expect((await simulate(plan)).problems).toEqual([]);
  });

  it.each([
    { state: 'with SQLite', share: 2 / 3, options: [] },
    { state: 'with a state whose claims are refused and taken over', share: 1 / 3, options: ['--contested'] },
  ])(
    `keeps its promises in fresh histories $state, from seed ${firstSeed} on`,
    { timeout: 1_800_000 },
    async ({ share, options }) => {
      const command = fileURLToPath(new URL('simulate.ts', import.meta.url));
      const settings = ['--seconds', String(Math.ceil(seconds * share)), '--first', String(firstSeed), ...options];
      const child = spawn(process.execPath, [command, ...settings], { stdio: ['ignore', 'pipe', 'inherit'] });
      onTestFinished(() => void child.kill('SIGKILL'));
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
      console.log(output);
      expect(code, output).toBe(0);
      expect(output).toMatch(/; 0 failed$/m);
    },
  );

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
