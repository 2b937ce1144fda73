/**
 * Collects new lines of one object until a request is full.
 */
import assert from 'node:assert';
import type { LineHashes } from '../delivery-state.ts';
import type { Batch } from '../exporter.ts';
import type { RequestEncoder } from '../mapper.ts';
import type { IdentifiedLine } from '../model/line.ts';
import type { EncoderPool } from './encoder-pool.ts';
import type { LineHash } from './line-hash.ts';

export interface BatchLimits {
  readonly recordsMax: number;
  /** Of the request before compression. One record may be larger: it then travels alone. */
  readonly bytesMax: number;
}

/** What the batch says to the exporter, and what its lines are called in the state. */
export interface BuiltBatch extends Batch {
  readonly lineHashes: LineHashes;
  /** Of the lines that no announcement names yet. */
  readonly unannouncedHashes: LineHashes;
  /** To be called when the request is not needed any more. */
  readonly release: () => void;
}

export class BatchBuilder {
  readonly #encoders: EncoderPool;
  #encoder: RequestEncoder | undefined;
  readonly #limits: BatchLimits;
  #lines: IdentifiedLine[] = [];
  #lineHashes: number[] = [];
  #unannouncedHashes: number[] = [];

  constructor(encoders: EncoderPool, limits: BatchLimits) {
    this.#encoders = encoders;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  get isFull(): boolean {
    if (this.#encoder === undefined) return false;
    return this.#lines.length >= this.#limits.recordsMax || this.#encoder.sizeBytes >= this.#limits.bytesMax;
  }

  /** @param occurrenceHash undefined when the line stands in an announcement already. */
  add(line: IdentifiedLine, lineHash: LineHash, occurrenceHash: LineHash | undefined): void {
    this.#encoder ??= this.#encoders.take();
    this.#encoder.append(line);
    this.#lines.push(line);
    this.#lineHashes.push(lineHash.high, lineHash.low);
    if (occurrenceHash !== undefined) this.#unannouncedHashes.push(occurrenceHash.high, occurrenceHash.low);
  }

  /** The batch so far, which must not be empty; the builder is empty afterwards. */
  take(): BuiltBatch {
    const encoder = this.#encoder;
    assert(encoder !== undefined, 'there is no batch to take');
    const batch = {
      lines: this.#lines,
      request: encoder.finish(),
      release: () => this.#encoders.giveBack(encoder),
      lineHashes: Uint32Array.from(this.#lineHashes),
      unannouncedHashes: Uint32Array.from(this.#unannouncedHashes),
    };
    this.#encoder = undefined;
    this.#lines = [];
    this.#lineHashes = [];
    this.#unannouncedHashes = [];
    return batch;
  }
}
