/**
 * A thread that takes a place and gives it back, over and over, and notes how many had one at the same time. Whoever has a
 * place keeps it until all places were taken at the same time once, however late the other threads come.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { SharedSemaphore } from '../../src/runtime/shared-semaphore.ts';

const { places, size, counts, rounds }: PlacesWorkerData = workerData;
const semaphore = new SharedSemaphore(places);
const [insideAt, mostAt] = [0, 1];
const cells = new Int32Array(counts);

interface PlacesWorkerData {
  readonly places: SharedArrayBuffer;
  /** How many places there are. */
  readonly size: number;
  readonly counts: SharedArrayBuffer;
  readonly rounds: number;
}

// Waiting for a place alone does not keep a thread alive.
parentPort?.on('message', () => {});
for (let round = 0; round < rounds; round++) {
  const release = await semaphore.acquire(new AbortController().signal);
  const inside = Atomics.add(cells, insideAt, 1) + 1;
  for (let most = Atomics.load(cells, mostAt); inside > most; most = Atomics.load(cells, mostAt)) {
    Atomics.compareExchange(cells, mostAt, most, inside);
  }
  do await nextTurn();
  while (Atomics.load(cells, mostAt) < size);
  Atomics.sub(cells, insideAt, 1);
  release();
}
parentPort?.close();
