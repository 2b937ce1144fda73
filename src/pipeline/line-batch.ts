/**
 * Batches that are mapped from lines. Lines are needed again only if the collector rejects a batch: to encode smaller
 * requests, or to render dead letters.
 */
import assert from 'node:assert';
import type { Batch } from '../contracts/exporter.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { BatchMemoryPool } from './batch-memory.ts';

/** A part of a batch. It copies its request, because the pool's memory is reused at once. */
export class LineBatch implements Batch {
  readonly #lines: readonly IdentifiedLine[];
  readonly #pool: BatchMemoryPool;
  #request: Uint8Array | undefined;

  constructor(lines: readonly IdentifiedLine[], pool: BatchMemoryPool) {
    this.#lines = lines;
    this.#pool = pool;
  }

  get recordCount(): number {
    return this.#lines.length;
  }

  get objectId(): string | undefined {
    return this.#lines[0]?.origin.id;
  }

  get request(): Uint8Array {
    this.#request ??= this.#encode();
    return this.#request;
  }

  split(): readonly [LineBatch, LineBatch] {
    return splitLines(this.#lines, this.#pool);
  }

  toJsonLines(): readonly string[] {
    return this.#lines.map((line) => this.#pool.mapper.toJsonLine(line));
  }

  #encode(): Uint8Array {
    const memory = this.#pool.acquire();
    for (const line of this.#lines) memory.encoder.append(line);
    const request = Uint8Array.from(memory.encoder.finish());
    this.#pool.release(memory);
    return request;
  }
}

/** If the count is odd, the first half is the larger one. */
export function splitLines(lines: readonly IdentifiedLine[], pool: BatchMemoryPool): readonly [LineBatch, LineBatch] {
  assert(lines.length > 1, 'a single record cannot be split');
  const middle = Math.ceil(lines.length / 2);
  return [new LineBatch(lines.slice(0, middle), pool), new LineBatch(lines.slice(middle), pool)];
}
