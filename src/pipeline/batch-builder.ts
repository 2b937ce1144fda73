/**
 * Collects new lines of one object until a request is full.
 */
import assert from 'node:assert';
import type { LineHashes } from '../contracts/delivery-state.ts';
import type { Batch } from '../contracts/exporter.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { ObjectOrigin } from '../model/object.ts';
import type { BatchMemory, BatchMemoryPool } from './batch-memory.ts';
import type { LineHash } from './line-hash.ts';

export interface BatchLimits {
  readonly recordsMax: number;
  /** Of the request before compression. One record may be larger: it then travels alone. */
  readonly bytesMax: number;
}

/** What the batch says to the exporter, and what its lines are called in the state. */
export interface BuiltBatch extends Batch {
  /** Undefined when no line has a time. */
  readonly eventTimes: EventTimes | undefined;
  readonly lineHashes: LineHashes;
  /** Of the lines that no announcement names yet. */
  readonly unannouncedHashes: LineHashes;
  /** To be called once, when the batch has ended. */
  release(): void;
}

export class BatchBuilder {
  readonly #origin: ObjectOrigin;
  readonly #pool: BatchMemoryPool;
  readonly #limits: BatchLimits;
  #memory: BatchMemory | undefined;
  readonly #lineHashes: number[] = [];
  readonly #unannouncedHashes: number[] = [];

  constructor(origin: ObjectOrigin, pool: BatchMemoryPool, limits: BatchLimits) {
    this.#origin = origin;
    this.#pool = pool;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#memory === undefined;
  }

  get isFull(): boolean {
    if (this.#memory === undefined) return false;
    const { encoder, lines } = this.#memory;
    return lines.count >= this.#limits.recordsMax || encoder.sizeBytes >= this.#limits.bytesMax;
  }

  /** @param occurrenceHash undefined when the line stands in an announcement already. */
  add(line: IdentifiedLine, lineHash: LineHash, occurrenceHash: LineHash | undefined): void {
    this.#memory ??= this.#pool.take();
    this.#memory.encoder.append(line);
    this.#memory.lines.add(line);
    this.#lineHashes.push(lineHash.high, lineHash.low);
    if (occurrenceHash !== undefined) this.#unannouncedHashes.push(occurrenceHash.high, occurrenceHash.low);
  }

  /** The batch so far, which must not be empty; the builder is empty afterwards. */
  take(): BuiltBatch {
    const memory = this.#memory;
    assert(memory !== undefined, 'there is no batch to take');
    const batch = new FinishedBatch(this.#origin, memory, this.#pool, this.#lineHashes, this.#unannouncedHashes);
    this.#memory = undefined;
    this.#lineHashes.length = 0;
    this.#unannouncedHashes.length = 0;
    return batch;
  }
}

class FinishedBatch implements BuiltBatch {
  readonly lineCount: number;
  readonly eventTimes: EventTimes | undefined;
  readonly request: Uint8Array;
  readonly lineHashes: LineHashes;
  readonly unannouncedHashes: LineHashes;
  readonly #origin: ObjectOrigin;
  readonly #memory: BatchMemory;
  readonly #pool: BatchMemoryPool;

  constructor(
    origin: ObjectOrigin,
    memory: BatchMemory,
    pool: BatchMemoryPool,
    lineHashes: readonly number[],
    unannouncedHashes: readonly number[],
  ) {
    this.lineCount = memory.lines.count;
    this.eventTimes = memory.encoder.eventTimes;
    this.request = memory.encoder.finish();
    this.lineHashes = Int32Array.from(lineHashes);
    this.unannouncedHashes = Int32Array.from(unannouncedHashes);
    this.#origin = origin;
    this.#memory = memory;
    this.#pool = pool;
  }

  get lines(): readonly IdentifiedLine[] {
    return this.#memory.lines.toLines(this.#origin);
  }

  release(): void {
    this.#pool.giveBack(this.#memory);
  }
}
