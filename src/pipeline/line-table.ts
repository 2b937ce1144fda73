/**
 * The lines of one object as a multiset: how often each was settled before, and how often this visit has seen it.
 *
 * A hash table in typed arrays with ten bytes per slot; a Map with an entry per line would take ten times as much. It is
 * split into segments that grow one at a time, so that growing never needs two copies of the whole table. The number of
 * lines is bounded: docs/decisions/0019-bounded-line-table.md has the figures and the mechanisms that it replaced.
 */
import type { LineHashes } from '../contracts/delivery-state.ts';
import { AgentError } from '../model/agent-error.ts';
import type { LineHash } from './line-hash.ts';

/** How often a line was settled by earlier visits, and seen by this one. */
export interface LineCounts {
  readonly settledCount: number;
  readonly seenCount: number;
}

/** Distinct lines in one object: 42 MB of memory, or some 2.7 GB of typical audit lines. */
const distinctLinesMaxDefault = 3_300_000;
const segmentBits = 4;
const segmentCount = 2 ** segmentBits;

export class LineTable {
  readonly #distinctLinesMax: number;
  /** Created on first use: most objects have few lines. */
  readonly #segments: (Segment | undefined)[] = Array.from({ length: segmentCount });
  #distinctLineCount = 0;
  #settledCount = 0;

  constructor(distinctLinesMax: number = distinctLinesMaxDefault) {
    this.#distinctLinesMax = distinctLinesMax;
  }

  /** Lines that were settled by earlier visits, counting repeats. */
  get settledCount(): number {
    return this.#settledCount;
  }

  /**
   * Adds lines that earlier visits settled; a line that was settled twice is in `hashes` twice.
   * @throws AgentError ERR_OBJECT_TOO_LARGE, as `count` does.
   */
  addSettled(hashes: LineHashes): void {
    for (let i = 0; i < hashes.length; i += 2) {
      const [high, low] = [hashes[i] as number, hashes[i + 1] as number];
      const segment = this.#segmentOf(high);
      segment.add('settled', this.#slotOf(segment, high, low));
    }
    this.#settledCount += hashes.length / 2;
  }

  /** Marks every settled line as seen, because the visit continues after them. */
  skipSettled(): void {
    for (const segment of this.#segments) segment?.markSettledSeen();
  }

  /**
   * Counts the next line of the object.
   * @throws AgentError ERR_OBJECT_TOO_LARGE if the object has more distinct lines than the table may hold.
   */
  count({ high, low }: LineHash): LineCounts {
    const segment = this.#segmentOf(high);
    const slot = this.#slotOf(segment, high, low);
    segment.add('seen', slot);
    return segment.countsAt(slot);
  }

  /** True if the line was settled by earlier visits, or seen by this one. */
  has({ high, low }: LineHash): boolean {
    const segment = this.#segmentOf(high);
    return !segment.isFree(segment.find(high, low));
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

type Counter = 'settled' | 'seen';

const initialSlots = 64;
const loadFactorMax = 0.8;
/** Marks a slot whose count is in the map of large counts. */
const largeCount = 255;

class Segment {
  /** High and low word of each line's hash. */
  #hashes = new Int32Array(2 * initialSlots);
  #settled = new Uint8Array(initialSlots);
  #seen = new Uint8Array(initialSlots);
  /** Counts of 255 and more, by counter and hash. There are few: each stands for many lines. */
  readonly #largeCounts = new Map<string, number>();
  #usedSlots = 0;

  /** The slot of the line, or the free slot where it belongs. */
  find(high: number, low: number): number {
    const lastSlot = this.#seen.length - 1;
    let slot = low & lastSlot;
    while (!this.isFree(slot) && (this.#hashes[2 * slot] !== high || this.#hashes[2 * slot + 1] !== low)) {
      slot = (slot + 1) & lastSlot;
    }
    return slot;
  }

  isFree(slot: number): boolean {
    return this.#settled[slot] === 0 && this.#seen[slot] === 0;
  }

  /** Occupies a free slot for a new line. The caller must add to one of its counters next, or the slot counts as free. */
  insert(high: number, low: number): number {
    if (++this.#usedSlots > this.#seen.length * loadFactorMax) this.#grow();
    const slot = this.find(high, low);
    this.#hashes[2 * slot] = high;
    this.#hashes[2 * slot + 1] = low;
    return slot;
  }

  add(counter: Counter, slot: number): void {
    this.#set(counter, slot, this.#get(counter, slot) + 1);
  }

  countsAt(slot: number): LineCounts {
    return { settledCount: this.#get('settled', slot), seenCount: this.#get('seen', slot) };
  }

  markSettledSeen(): void {
    for (let slot = 0; slot < this.#seen.length; slot++) {
      const settledCount = this.#get('settled', slot);
      if (settledCount > 0) this.#set('seen', slot, settledCount);
    }
  }

  #get(counter: Counter, slot: number): number {
    const count = this.#bytesOf(counter)[slot] as number;
    return count === largeCount ? (this.#largeCounts.get(this.#keyOf(counter, slot)) ?? count) : count;
  }

  #set(counter: Counter, slot: number, count: number): void {
    this.#bytesOf(counter)[slot] = Math.min(count, largeCount);
    if (count >= largeCount) this.#largeCounts.set(this.#keyOf(counter, slot), count);
  }

  #bytesOf(counter: Counter): Uint8Array {
    return counter === 'settled' ? this.#settled : this.#seen;
  }

  #keyOf(counter: Counter, slot: number): string {
    return `${counter} ${this.#hashes[2 * slot]} ${this.#hashes[2 * slot + 1]}`;
  }

  #grow(): void {
    const [hashes, settled, seen] = [this.#hashes, this.#settled, this.#seen];
    this.#hashes = new Int32Array(2 * hashes.length);
    this.#settled = new Uint8Array(2 * settled.length);
    this.#seen = new Uint8Array(2 * seen.length);
    for (let from = 0; from < seen.length; from++) {
      if (settled[from] === 0 && seen[from] === 0) continue;
      const to = this.find(hashes[2 * from] as number, hashes[2 * from + 1] as number);
      this.#hashes.set(hashes.subarray(2 * from, 2 * from + 2), 2 * to);
      this.#settled[to] = settled[from] as number;
      this.#seen[to] = seen[from] as number;
    }
  }
}

function tooManyLines(distinctLinesMax: number): AgentError {
  return new AgentError(
    'ERR_OBJECT_TOO_LARGE',
    `The object has more than ${distinctLinesMax.toLocaleString('en')} distinct lines`,
    {
      hint: 'Split it into several objects. Most lines before the limit were shipped; those after it were not.',
    },
  );
}
