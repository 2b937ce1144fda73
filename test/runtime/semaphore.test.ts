import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/runtime/semaphore.ts';
import { SharedSemaphore } from '../../src/runtime/shared-semaphore.ts';

const never = new AbortController().signal;

describe.each([
  { name: 'Semaphore', create: (size: number) => new Semaphore(size) },
  { name: 'SharedSemaphore', create: (size: number) => new SharedSemaphore(SharedSemaphore.memory(size)) },
])('$name', ({ create }) => {
  it('grants no more permits than it has, and serves waiters in FIFO order', async () => {
    const semaphore = create(2);
    const acquired: number[] = [];
    const releases = await Promise.all([semaphore.acquire(never), semaphore.acquire(never)]);
    const waiting = [1, 2].map(async (name) => {
      const release = await semaphore.acquire(never);
      acquired.push(name);
      return release;
    });
    await Promise.resolve();
    expect(acquired).toEqual([]);
    releases[0]?.();
    await waiting[0];
    expect(acquired).toEqual([1]);
    releases[1]?.();
    await waiting[1];
    expect(acquired).toEqual([1, 2]);
  });

  it('releases a permit only once, however often release is called', async () => {
    const semaphore = create(1);
    const release = await semaphore.acquire(never);
    release();
    release();
    await semaphore.acquire(never);
    let second = false;
    void semaphore.acquire(never).then(() => {
      second = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(second).toBe(false);
  });

  it('rejects a waiter when its signal aborts, and passes the permit to the next one', async () => {
    const semaphore = create(1);
    const release = await semaphore.acquire(never);
    const stop = new AbortController();
    const abandoned = semaphore.acquire(stop.signal);
    const next = semaphore.acquire(never);
    stop.abort(new Error('stopped'));
    await expect(abandoned).rejects.toThrow('stopped');
    await expect(semaphore.acquire(stop.signal)).rejects.toThrow('stopped');
    release();
    await next;
  });
});

describe('SharedSemaphore', () => {
  it('enforces its limit across all threads that share it, and leaves none of them waiting', async () => {
    const [size, threads, rounds] = [2, 3, 200];
    const workerData = { permits: SharedSemaphore.memory(size), size, counts: new SharedArrayBuffer(8), rounds };
    const program = new URL('../support/semaphore-worker.ts', import.meta.url);
    const workers = Array.from({ length: threads }, () => new Worker(program, { workerData }));
    const exitCodes = await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0]));
    expect(exitCodes).toEqual(Array(threads).fill(0));
    const [held, heldMax] = new Int32Array(workerData.counts);
    expect(held).toBe(0);
    expect(heldMax).toBe(size);
  });
});
