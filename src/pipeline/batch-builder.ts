/**
 * Collects new lines of one object until a request is full.
 */
import assert from 'node:assert';
import type { Announcement, LineHashes, ObservedRun } from '../contracts/delivery-state.ts';
import type { Batch } from '../contracts/exporter.ts';
import type { EventTimes } from '../model/event-times.ts';
import type { DeliveredLine } from '../model/line.ts';
import type { DeliveredObject, ObjectOrigin } from '../model/object.ts';
import type { BatchMemory, BatchMemoryPool } from './batch-memory.ts';
import { type LineBatch, splitLines } from './line-batch.ts';
import type { LineIdentity } from './line-identity.ts';

export interface BatchLimits {
  readonly recordsMax: number;
  /**
   * Size of the uncompressed request at which the batch is full. It is checked after a record was added, so a request can
   * exceed it by one record.
   */
  readonly bytesMax: number;
}

/** A batch for the exporter, with what the state records about its lines. */
export interface BuiltBatch extends Batch {
  /** Undefined if no line has a time. */
  readonly eventTimes: EventTimes | undefined;
  /** Lines that could not be parsed, by reason; undefined when all could. */
  readonly unparsed: ReadonlyMap<string, number> | undefined;
  readonly lineHashes: LineHashes;
  readonly observedRuns: readonly ObservedRun[];
  /** For the lines that were not announced before a crash; undefined if all of them were. */
  readonly announcement: Announcement | undefined;
  /** Call it once, when the batch is complete or abandoned. */
  release(): void;
}

export class BatchBuilder {
  readonly #object: Pick<DeliveredObject, 'origin' | 'version'>;
  readonly #pool: BatchMemoryPool;
  readonly #limits: BatchLimits;
  #memory: BatchMemory | undefined;
  readonly #lineHashes: number[] = [];
  #observedRuns: { observedAtMs: number; lineCount: number }[] = [];
  readonly #unannouncedHashes: number[] = [];
  readonly #unannouncedOccurrences: number[] = [];

  constructor(object: Pick<DeliveredObject, 'origin' | 'version'>, pool: BatchMemoryPool, limits: BatchLimits) {
    this.#object = object;
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

  /** Copies the line. */
  add({ bytes, sizeBytes }: DeliveredLine, identity: LineIdentity): void {
    const { digest, hasOwnIdentity, occurrence, lineHash, announcedAtMs } = identity;
    const { origin, version } = this.#object;
    const observedAtMs = announcedAtMs ?? version.modifiedAtMs;
    const line = { bytes, sizeBytes, origin, digest, hasOwnIdentity, occurrence, observedAtMs };
    this.#memory ??= this.#pool.acquire();
    this.#memory.encoder.append(line);
    this.#memory.lines.add(line);
    this.#lineHashes.push(lineHash.high, lineHash.low);
    const lastRun = this.#observedRuns.at(-1);
    if (lastRun?.observedAtMs === observedAtMs) lastRun.lineCount++;
    else this.#observedRuns.push({ observedAtMs, lineCount: 1 });
    if (announcedAtMs !== undefined) return;
    this.#unannouncedHashes.push(lineHash.high, lineHash.low);
    this.#unannouncedOccurrences.push(occurrence);
  }

  /** Returns the batch so far, which must not be empty, and empties the builder. */
  take(): BuiltBatch {
    const memory = this.#memory;
    assert(memory !== undefined, 'there is no batch to take');
    const batch = new FinishedBatch(
      this.#object.origin,
      memory,
      this.#pool,
      { lineHashes: Int32Array.from(this.#lineHashes), observedRuns: this.#observedRuns },
      this.#takeAnnouncement(),
    );
    this.#memory = undefined;
    this.#lineHashes.length = 0;
    this.#observedRuns = [];
    return batch;
  }

  #takeAnnouncement(): Announcement | undefined {
    if (this.#unannouncedOccurrences.length === 0) return undefined;
    const announcement = {
      observedAtMs: this.#object.version.modifiedAtMs,
      lineHashes: Int32Array.from(this.#unannouncedHashes),
      occurrences: Int32Array.from(this.#unannouncedOccurrences),
    };
    this.#unannouncedHashes.length = 0;
    this.#unannouncedOccurrences.length = 0;
    return announcement;
  }
}

class FinishedBatch implements BuiltBatch {
  readonly recordCount: number;
  readonly eventTimes: EventTimes | undefined;
  readonly unparsed: ReadonlyMap<string, number> | undefined;
  readonly request: Uint8Array;
  readonly lineHashes: LineHashes;
  readonly observedRuns: readonly ObservedRun[];
  readonly announcement: Announcement | undefined;
  readonly #origin: ObjectOrigin;
  readonly #memory: BatchMemory;
  readonly #pool: BatchMemoryPool;

  constructor(
    origin: ObjectOrigin,
    memory: BatchMemory,
    pool: BatchMemoryPool,
    { lineHashes, observedRuns }: Pick<BuiltBatch, 'lineHashes' | 'observedRuns'>,
    announcement: Announcement | undefined,
  ) {
    this.recordCount = memory.lines.count;
    this.eventTimes = memory.encoder.eventTimes;
    this.unparsed = memory.encoder.unparsed;
    this.request = memory.encoder.finish();
    this.lineHashes = lineHashes;
    this.observedRuns = observedRuns;
    this.announcement = announcement;
    this.#origin = origin;
    this.#memory = memory;
    this.#pool = pool;
  }

  get objectId(): string {
    return this.#origin.id;
  }

  split(): readonly [LineBatch, LineBatch] {
    return splitLines(this.#memory.lines.toLines(this.#origin), this.#pool);
  }

  toJsonLines(): readonly string[] {
    return this.#memory.lines.toLines(this.#origin).map((line) => this.#pool.mapper.toJsonLine(line));
  }

  release(): void {
    this.#pool.release(this.#memory);
  }
}
