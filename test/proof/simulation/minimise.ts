/**
 * Minimises a failing plan: removes steps, and lines of deliveries, as long as it still fails (delta debugging).
 */
import type { Plan, Step } from './plan.ts';

export async function minimise(plan: Plan, fails: (plan: Plan) => Promise<boolean>): Promise<Plan> {
  const steps = await fewest(plan.steps, (candidate) => fails({ ...plan, steps: candidate }));
  for (const [index, step] of steps.entries()) {
    if (!('lines' in step)) continue;
    const withLines = (lines: readonly string[]): Step[] => steps.with(index, { ...step, lines });
    const lines = await fewest(step.lines, (candidate) => fails({ ...plan, steps: withLines(candidate) }));
    steps[index] = { ...step, lines };
  }
  return { ...plan, steps };
}

/** Removes halves, then quarters, and so on down to single items. */
async function fewest<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => Promise<boolean>,
): Promise<Item[]> {
  let left = [...items];
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < left.length; ) {
      const candidate = left.toSpliced(from, size);
      if (await fails(candidate)) left = candidate;
      else from += size;
    }
  }
  return left;
}
