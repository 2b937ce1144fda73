/**
 * Limits concurrency across threads. Waiters wake in FIFO order, but a new caller may acquire the permit before the woken waiter
 * does.
 */
import { untilAborted } from './until-aborted.ts';

export class SharedSemaphore {
  /** One cell: the number of free permits. */
  readonly #free: Int32Array<SharedArrayBuffer>;

  /** @param memory created by `SharedSemaphore.memory`; threads that use the same memory share its permits. */
  constructor(memory: SharedArrayBuffer) {
    this.#free = new Int32Array(memory);
  }

  static memory(size: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
    new Int32Array(memory)[0] = size;
    return memory;
  }

  /** Resolves with the function that releases the permit. Rejects with the signal's reason if the signal aborts first. */
  async acquire(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    while (!this.#tryAcquire()) await this.#waitForPermit(signal);
    let held = true;
    return () => {
      if (held) this.#release();
      held = false;
    };
  }

  #tryAcquire(): boolean {
    for (;;) {
      const free = Atomics.load(this.#free, 0);
      if (free === 0) return false;
      if (Atomics.compareExchange(this.#free, 0, free, free - 1) === free) return true;
    }
  }

  async #waitForPermit(signal: AbortSignal): Promise<void> {
    const wait = Atomics.waitAsync(this.#free, 0, 0);
    if (!wait.async) return;
    try {
      await untilAborted(wait.value, signal);
    } catch (error) {
      // Atomics.waitAsync cannot be cancelled. When the abandoned wait is woken, pass the wake-up on to the next waiter.
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
