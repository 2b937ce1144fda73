/**
 * A thread that repeatedly acquires and releases a shared semaphore and records the highest number of permits held at once. Each
 * thread keeps its permit until all permits have been held at the same time once, however late the other threads start.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SharedSemaphore } from '../../src/runtime/shared-semaphore.ts';

const { permits, size, counts, rounds }: SemaphoreWorkerData = workerData;
const semaphore = new SharedSemaphore(permits);
const [heldAt, heldMaxAt] = [0, 1];
const cells = new Int32Array(counts);

interface SemaphoreWorkerData {
  readonly permits: SharedArrayBuffer;
  /** The number of permits. */
  readonly size: number;
  readonly counts: SharedArrayBuffer;
  readonly rounds: number;
}

// A pending acquire alone does not keep the thread alive.
parentPort?.on('message', () => {});
for (let round = 0; round < rounds; round++) {
  const release = await semaphore.acquire(new AbortController().signal);
  const held = Atomics.add(cells, heldAt, 1) + 1;
  for (let most = Atomics.load(cells, heldMaxAt); held > most; most = Atomics.load(cells, heldMaxAt)) {
    Atomics.compareExchange(cells, heldMaxAt, most, held);
  }
  do await nextTurn();
  while (Atomics.load(cells, heldMaxAt) < size);
  Atomics.sub(cells, heldAt, 1);
  release();
}
parentPort?.close();
