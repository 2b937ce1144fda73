/**
 * The lines of one object as a multiset: how often each was settled before, and how often this visit has met it.
 *
 * A hash table in typed arrays, ten bytes a slot, because a Map with an entry per line would take ten times as much. It is
 * split into segments that grow one at a time, so that growing never holds two copies of the whole table. The number of
 * lines is bounded: docs/decisions/0019-bounded-line-table.md has the figures and the mechanisms that it replaced.
 */
import type { LineHashes } from '../contracts/delivery-state.ts';
import { AgentError } from '../model/agent-error.ts';
import type { LineHash } from './line-hash.ts';

/** How often a line was settled by earlier visits, and met by this one. */
export interface LineCounts {
  readonly settledCount: number;
  readonly metCount: number;
}

/** Different lines in one object: 42 MB of memory, some 2.7 GB of usual audit lines. */
const distinctLinesMaxDefault = 3_300_000;
const segmentBits = 4;
const segmentCount = 2 ** segmentBits;

export class LineTable {
  readonly #distinctLinesMax: number;
  /** Created when the first line of it is met: most objects have few lines. */
  readonly #segments: (Segment | undefined)[] = Array.from({ length: segmentCount });
  #distinctLineCount = 0;
  #settledCount = 0;

  constructor(distinctLinesMax: number = distinctLinesMaxDefault) {
    this.#distinctLinesMax = distinctLinesMax;
  }

  /** Lines that were settled by earlier visits, each as often as it was. */
  get settledCount(): number {
    return this.#settledCount;
  }

  /**
   * Adds lines that earlier visits settled; a line that was settled twice is in `hashes` twice.
   * @throws AgentError ERR_OBJECT_TOO_LARGE, as `meet` does.
   */
  addSettled(hashes: LineHashes): void {
    for (let i = 0; i < hashes.length; i += 2) {
      const [high, low] = [hashes[i] as number, hashes[i + 1] as number];
      const segment = this.#segmentOf(high);
      segment.add('settled', this.#slotOf(segment, high, low));
    }
    this.#settledCount += hashes.length / 2;
  }

  /** The visit continues after everything that was settled: each settled line counts as met. */
  skipSettled(): void {
    for (const segment of this.#segments) segment?.meetSettled();
  }

  /**
   * Counts the next line of the object.
   * @throws AgentError ERR_OBJECT_TOO_LARGE when the object has more different lines than the table may hold.
   */
  meet({ high, low }: LineHash): LineCounts {
    const segment = this.#segmentOf(high);
    const slot = this.#slotOf(segment, high, low);
    segment.add('met', slot);
    return segment.countsAt(slot);
  }

  #segmentOf(high: number): Segment {
    const index = high >>> (32 - segmentBits);
    const segment = this.#segments[index] ?? new Segment();
    this.#segments[index] = segment;
    return segment;
  }

  #slotOf(segment: Segment, high: number, low: number): number {
    const slot = segment.find(high, low);
    if (!segment.isFree(slot)) return slot;
    if (this.#distinctLineCount >= this.#distinctLinesMax) throw tooManyLines(this.#distinctLinesMax);
    this.#distinctLineCount++;
    return segment.insert(high, low);
  }
}

type Counter = 'settled' | 'met';

const initialSlots = 64;
const fullestPart = 0.8;
/** In a byte of a slot: the count is in the map of large counts. */
const isLarge = 255;

class Segment {
  /** High and low word of each line's hash. */
  #hashes = new Int32Array(2 * initialSlots);
  #settled = new Uint8Array(initialSlots);
  #met = new Uint8Array(initialSlots);
  /** Counts from 255 on, by counter and hash: few, as each stands for so many lines. */
  readonly #largeCounts = new Map<string, number>();
  #usedSlots = 0;

  /** The slot of the line, or the free one where it belongs. */
  find(high: number, low: number): number {
    const lastSlot = this.#met.length - 1;
    let slot = low & lastSlot;
    while (!this.isFree(slot) && (this.#hashes[2 * slot] !== high || this.#hashes[2 * slot + 1] !== low)) {
      slot = (slot + 1) & lastSlot;
    }
    return slot;
  }

  isFree(slot: number): boolean {
    return this.#settled[slot] === 0 && this.#met[slot] === 0;
  }

  /** Takes a free slot for a line that has none; a counter of it has to be added to next. */
  insert(high: number, low: number): number {
    if (++this.#usedSlots > this.#met.length * fullestPart) this.#grow();
    const slot = this.find(high, low);
    this.#hashes[2 * slot] = high;
    this.#hashes[2 * slot + 1] = low;
    return slot;
  }

  add(counter: Counter, slot: number): void {
    this.#set(counter, slot, this.#get(counter, slot) + 1);
  }

  countsAt(slot: number): LineCounts {
    return { settledCount: this.#get('settled', slot), metCount: this.#get('met', slot) };
  }

  meetSettled(): void {
    for (let slot = 0; slot < this.#met.length; slot++) {
      const settledCount = this.#get('settled', slot);
      if (settledCount > 0) this.#set('met', slot, settledCount);
    }
  }

  #get(counter: Counter, slot: number): number {
    const count = this.#bytesOf(counter)[slot] as number;
    return count === isLarge ? (this.#largeCounts.get(this.#keyOf(counter, slot)) ?? count) : count;
  }

  #set(counter: Counter, slot: number, count: number): void {
    this.#bytesOf(counter)[slot] = Math.min(count, isLarge);
    if (count >= isLarge) this.#largeCounts.set(this.#keyOf(counter, slot), count);
  }

  #bytesOf(counter: Counter): Uint8Array {
    return counter === 'settled' ? this.#settled : this.#met;
  }

  #keyOf(counter: Counter, slot: number): string {
    return `${counter} ${this.#hashes[2 * slot]} ${this.#hashes[2 * slot + 1]}`;
  }

  #grow(): void {
    const [hashes, settled, met] = [this.#hashes, this.#settled, this.#met];
    this.#hashes = new Int32Array(2 * hashes.length);
    this.#settled = new Uint8Array(2 * settled.length);
    this.#met = new Uint8Array(2 * met.length);
    for (let from = 0; from < met.length; from++) {
      if (settled[from] === 0 && met[from] === 0) continue;
      const to = this.find(hashes[2 * from] as number, hashes[2 * from + 1] as number);
      this.#hashes.set(hashes.subarray(2 * from, 2 * from + 2), 2 * to);
      this.#settled[to] = settled[from] as number;
      this.#met[to] = met[from] as number;
    }
  }
}

function tooManyLines(distinctLinesMax: number): AgentError {
  return new AgentError(
    'ERR_OBJECT_TOO_LARGE',
    `The object has more than ${distinctLinesMax.toLocaleString('en')} different lines`,
    {
      hint: 'Split it into several objects. The lines before the limit were shipped; those after it were not.',
    },
  );
}
