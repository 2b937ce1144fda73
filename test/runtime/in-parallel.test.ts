import { describe, expect, it } from 'vitest';
import { inParallel } from '../../src/runtime/in-parallel.ts';

describe('inParallel', () => {
  it('starts the items in their order, never more at a time than allowed, and finishes all', async () => {
    const started: number[] = [];
    let running = 0;
    let runningMax = 0;
    await inParallel([5, 1, 4, 2, 3, 0], { parallelMax: 2 }, async (item) => {
      started.push(item);
      runningMax = Math.max(runningMax, ++running);
      for (let turn = 0; turn < item; turn++) await Promise.resolve();
      running--;
    });
    expect(started).toEqual([5, 1, 4, 2, 3, 0]);
    expect(runningMax).toBe(2);
  });

  it('tells what is under way to stop after a failure, starts no more, and rejects with it once all has ended', async () => {
    const ended: string[] = [];
    const work = async (item: string, stop: AbortSignal) => {
      if (item === 'fails') throw new Error('no');
      await new Promise((resolve) => stop.addEventListener('abort', resolve));
      await Promise.resolve();
      ended.push(item);
    };
    await expect(inParallel(['waits', 'fails', 'next'], { parallelMax: 2 }, work)).rejects.toThrow('no');
    expect(ended).toEqual(['waits']);
  });

  it('rejects with the reason of the signal if items are left when it aborts', async () => {
    const controller = new AbortController();
    const started: number[] = [];
    const working = inParallel([1, 2, 3], { parallelMax: 1, signal: controller.signal }, async (item) => {
      started.push(item);
      if (item === 2) controller.abort(new Error('stopped'));
    });
    await expect(working).rejects.toThrow('stopped');
    expect(started).toEqual([1, 2]);
  });

  it('resolves if the signal aborts while the last item completes, and with nothing to do', async () => {
    const controller = new AbortController();
    await inParallel([1], { parallelMax: 3, signal: controller.signal }, async () => controller.abort());
    await inParallel([], { parallelMax: 3, signal: controller.signal }, async () => {});
    expect(controller.signal.aborted).toBe(true);
  });
});
