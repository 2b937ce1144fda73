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
  it('lets no more in than it has places, and those that wait in their order', async () => {
    const semaphore = create(2);
    const entered: number[] = [];
    const releases = await Promise.all([semaphore.acquire(never), semaphore.acquire(never)]);
    const waiting = [1, 2].map(async (name) => {
      const release = await semaphore.acquire(never);
      entered.push(name);
      return release;
    });
    await Promise.resolve();
    expect(entered).toEqual([]);
    releases[0]?.();
    await waiting[0];
    expect(entered).toEqual([1]);
    releases[1]?.();
    await waiting[1];
    expect(entered).toEqual([1, 2]);
  });

  it('gives a place back once, however often it is released', async () => {
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

  it('rejects who waits when the signal is aborted, and passes the place to the next', async () => {
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
  it('holds for all threads that share it, and leaves none of them waiting', async () => {
    const [size, threads, rounds] = [2, 3, 200];
    const workerData = { places: SharedSemaphore.memory(size), size, counts: new SharedArrayBuffer(8), rounds };
    const program = new URL('../support/places-worker.ts', import.meta.url);
    const workers = Array.from({ length: threads }, () => new Worker(program, { workerData }));
    const exitCodes = await Promise.all(workers.map(async (worker) => (await once(worker, 'exit'))[0]));
    expect(exitCodes).toEqual(Array(threads).fill(0));
    const [inside, insideMost] = new Int32Array(workerData.counts);
    expect(inside).toBe(0);
    expect(insideMost).toBe(size);
  });
});
