/**
 * Collects new lines of one object until a request is full.
 */
import type { LineHashes } from '../delivery-state.ts';
import type { Batch } from '../exporter.ts';
import type { RequestEncoder } from '../mapper.ts';
import type { IdentifiedLine } from '../model/line.ts';
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
}

export class BatchBuilder {
  readonly #encoder: RequestEncoder;
  readonly #limits: BatchLimits;
  #lines: IdentifiedLine[] = [];
  #lineHashes: number[] = [];
  #unannouncedHashes: number[] = [];

  constructor(encoder: RequestEncoder, limits: BatchLimits) {
    this.#encoder = encoder;
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  get isFull(): boolean {
    return this.#lines.length >= this.#limits.recordsMax || this.#encoder.sizeBytes >= this.#limits.bytesMax;
  }

  /** @param occurrenceHash undefined when the line stands in an announcement already. */
  add(line: IdentifiedLine, lineHash: LineHash, occurrenceHash: LineHash | undefined): void {
    this.#encoder.append(line);
    this.#lines.push(line);
    this.#lineHashes.push(lineHash.high, lineHash.low);
    if (occurrenceHash !== undefined) this.#unannouncedHashes.push(occurrenceHash.high, occurrenceHash.low);
  }

  /** The batch so far; the builder is empty afterwards. */
  take(): BuiltBatch {
    const batch = {
      lines: this.#lines,
      request: this.#encoder.finish(),
      lineHashes: Uint32Array.from(this.#lineHashes),
      unannouncedHashes: Uint32Array.from(this.#unannouncedHashes),
    };
    this.#lines = [];
    this.#lineHashes = [];
    this.#unannouncedHashes = [];
    return batch;
  }
}
