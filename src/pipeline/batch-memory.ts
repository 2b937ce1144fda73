/**
 * A pool of batch memory. A batch holds the memory of its request and its lines until it is complete; then the next batch
 * reuses it.
 */
import type { Mapper, OtlpEncoding, RequestEncoder } from '../contracts/mapper.ts';
import { KeptLines } from './kept-lines.ts';

export interface BatchMemory {
  readonly encoder: RequestEncoder;
  readonly lines: KeptLines;
}

/** Serves all batches that use the same mapper and encoding. */
export class BatchMemoryPool {
  readonly mapper: Mapper;
  readonly encoding: OtlpEncoding;
  /** Held weakly, so that an agent with nothing to ship gives the memory back. */
  readonly #idle: WeakRef<BatchMemory>[] = [];

  constructor(mapper: Mapper, encoding: OtlpEncoding) {
    this.mapper = mapper;
    this.encoding = encoding;
  }

  acquire(): BatchMemory {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      const memory = idle.deref();
      if (memory !== undefined) return memory;
    }
    return { encoder: this.mapper.createEncoder(this.encoding), lines: new KeptLines() };
  }

  /** @param memory of a batch that is complete or abandoned. */
  release(memory: BatchMemory): void {
    memory.lines.clear();
    this.#idle.push(new WeakRef(memory));
  }
}
