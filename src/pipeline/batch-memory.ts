/**
 * The memory of batches that are not in flight. A batch holds the memory of its request and its lines until it has ended;
 * then the next batch reuses it.
 */
import type { Mapper, OtlpEncoding, RequestEncoder } from '../contracts/mapper.ts';
import { KeptLines } from './kept-lines.ts';

export interface BatchMemory {
  readonly encoder: RequestEncoder;
  readonly lines: KeptLines;
}

/** Serves all batches that are mapped in one way. */
export class BatchMemoryPool {
  readonly mapper: Mapper;
  readonly encoding: OtlpEncoding;
  readonly #idle: BatchMemory[] = [];

  constructor(mapper: Mapper, encoding: OtlpEncoding) {
    this.mapper = mapper;
    this.encoding = encoding;
  }

  take(): BatchMemory {
    return this.#idle.pop() ?? { encoder: this.mapper.createEncoder(this.encoding), lines: new KeptLines() };
  }

  /** @param memory of a batch that has ended. */
  giveBack(memory: BatchMemory): void {
    memory.lines.clear();
    this.#idle.push(memory);
  }
}
