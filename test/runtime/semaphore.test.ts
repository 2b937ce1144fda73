import { describe, expect, it } from 'vitest';
import { Semaphore } from '../../src/runtime/semaphore.ts';

const never = new AbortController().signal;

describe('Semaphore', () => {
  it('lets no more in than it has places, and those that wait in their order', async () => {
    const semaphore = new Semaphore(2);
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
    const semaphore = new Semaphore(1);
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
    const semaphore = new Semaphore(1);
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
