/**
 * Records that are mapped from lines. Only what is refused needs its lines again: to be encoded in smaller requests, or
 * rendered for the dead letters.
 */
import assert from 'node:assert';
import type { Batch } from '../contracts/exporter.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { BatchMemoryPool } from './batch-memory.ts';

/** A part of a batch; its request has memory of its own, because several parts may be in flight. */
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
    const memory = this.#pool.take();
    for (const line of this.#lines) memory.encoder.append(line);
    const request = Uint8Array.from(memory.encoder.finish());
    this.#pool.giveBack(memory);
    return request;
  }
}

/** The first half is the larger one when the count is odd. */
export function splitLines(lines: readonly IdentifiedLine[], pool: BatchMemoryPool): readonly [LineBatch, LineBatch] {
  assert(lines.length > 1, 'a single record cannot be split');
  const middle = Math.ceil(lines.length / 2);
  return [new LineBatch(lines.slice(0, middle), pool), new LineBatch(lines.slice(middle), pool)];
}
