/**
 * A bound on how many may do something at once, for all threads together. Who waits is woken in order, but whoever comes at that
 * moment may be quicker.
 */
import { untilAborted } from './until-aborted.ts';

export class SharedSemaphore {
  /** One cell: how many places are free. */
  readonly #free: Int32Array<SharedArrayBuffer>;

  /** @param memory as `SharedSemaphore.memory` made it; threads that have the same one share the places. */
  constructor(memory: SharedArrayBuffer) {
    this.#free = new Int32Array(memory);
  }

  static memory(size: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(memory)[0] = size;
    return memory;
  }

  /** Resolves with the function that gives the place back. Rejects with the signal's reason when it is aborted first. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    while (!this.#take()) await this.#untilFree(signal);
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  #take(): boolean {
    for (;;) {
      const free = Atomics.load(this.#free, 0);
      if (free === 0) return false;
      if (Atomics.compareExchange(this.#free, 0, free, free - 1) === free) return true;
    }
  }

  async #untilFree(signal: AbortSignal): Promise<void> {
    const wait = Atomics.waitAsync(this.#free, 0, 0);
    if (!wait.async) return;
    try {
      await untilAborted(wait.value, signal);
    } catch (error) {
      // The wait cannot be taken back. When it is its turn, the next one in the line is woken instead.
      void wait.value.then(() => this.#wakeNext());
      throw error;
    }
  }

  #release(): void {
    Atomics.add(this.#free, 0, 1);
    this.#wakeNext();
  }

  #wakeNext(): void {
    Atomics.notify(this.#free, 0, 1);
  }
}
