/**
 * The memory of batches that are not under way. A batch holds the memory of its request and its lines until it has come to
 * its end, and then it serves the next one.
 */
import type { RequestEncoder } from '../contracts/mapper.ts';
import { KeptLines } from './kept-lines.ts';

export interface BatchMemory {
  readonly encoder: RequestEncoder;
  readonly lines: KeptLines;
}

export class BatchMemoryPool {
  readonly #createEncoder: () => RequestEncoder;
  readonly #idle: BatchMemory[] = [];

  constructor(createEncoder: () => RequestEncoder) {
    this.#createEncoder = createEncoder;
  }

  take(): BatchMemory {
    return this.#idle.pop() ?? { encoder: this.#createEncoder(), lines: new KeptLines() };
  }

  /** @param memory of a request that was finished and is not needed any more. */
  giveBack(memory: BatchMemory): void {
    memory.lines.clear();
    this.#idle.push(memory);
  }
}
