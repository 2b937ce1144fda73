/**
 * The lines of one object as a multiset: how often each was settled before, and how often it was met in this reading.
 * From the two follows whether a line is new, and which occurrence of its bytes in the object it is.
 *
 * A hash table in one typed array, 16 bytes a slot, because a Map with an entry per line would cost ten times as much. When
 * an object has more lines than the table may hold, they go to an index on disk, and the table keeps those met since.
 */
import type { LineHashes, LineIndex } from '../contracts/delivery-state.ts';
import { HashFilter } from './hash-filter.ts';
import type { LineHash } from './line-hash.ts';

export interface MetLine {
  /** 1 for the first line with these bytes, counted in this reading. */
  readonly occurrence: number;
  /** True when this occurrence was settled by an earlier reading. */
  readonly settled: boolean;
}

const slotWords = 4;
const [highAt, lowAt, settledAt, metAt] = [0, 1, 2, 3];
const fullestPart = 0.7;
const linesInMemoryMaxDefault = 65_536;

export class LineLedger {
  readonly #createIndex: () => LineIndex;
  readonly #linesInMemoryMax: number;
  /** On disk, and what says without asking the disk that a line is not there: nearly all lines are met once. */
  #index: { readonly lines: LineIndex; readonly filter: HashFilter } | undefined;
  #slots = new Int32Array(1024 * slotWords);
  #used = 0;
  #settledCount = 0;

  constructor(createIndex: () => LineIndex, linesInMemoryMax: number = linesInMemoryMaxDefault) {
    this.#createIndex = createIndex;
    this.#linesInMemoryMax = linesInMemoryMax;
  }

  get settledCount(): number {
    return this.#settledCount;
  }

  /** Lines that earlier readings settled; a line that was settled twice comes twice. */
  addSettled(hashes: LineHashes): void {
    for (let i = 0; i < hashes.length; i += 2) this.#count(hashes[i] as number, hashes[i + 1] as number, settledAt);
    this.#settledCount += hashes.length / 2;
  }

  /** The reading goes on behind all that was settled: each settled line counts as met. */
  skipSettled(): void {
    for (let at = 0; at < this.#slots.length; at += slotWords) {
      this.#slots[at + metAt] = this.#slots[at + settledAt] as number;
    }
    this.#index?.lines.skipSettled();
  }

  /** The next line of the object. */
  meet(line: LineHash): MetLine {
    const at = this.#count(line.high, line.low, metAt);
    const occurrence = this.#slots[at + metAt] as number;
    return { occurrence, settled: occurrence <= (this.#slots[at + settledAt] as number) };
  }

  close(): void {
    this.#index?.lines.close();
  }

  /** Adds one to a counter of the line's slot, and returns where the slot is. */
  #count(high: number, low: number, counterAt: number): number {
    if (this.#used * slotWords >= this.#slots.length * fullestPart) this.#makeRoom();
    const at = this.#find(high, low);
    if (this.#isFree(at)) {
      const known = this.#index?.filter.mayHold(high, low) ? this.#index.lines.get(high, low) : undefined;
      this.#slots[at + highAt] = high;
      this.#slots[at + lowAt] = low;
      this.#slots[at + settledAt] = known?.settled ?? 0;
      this.#slots[at + metAt] = known?.met ?? 0;
      this.#used++;
    }
    this.#slots[at + counterAt] = (this.#slots[at + counterAt] as number) + 1;
    return at;
  }

  /** The line's slot, or the free one where it belongs. */
  #find(high: number, low: number): number {
    const lastAt = this.#slots.length - slotWords;
    let at = (low * slotWords) & lastAt;
    while (!this.#isFree(at) && (this.#slots[at + lowAt] !== low || this.#slots[at + highAt] !== high)) {
      at = (at + slotWords) & lastAt;
    }
    return at;
  }

  #isFree(at: number): boolean {
    return this.#slots[at + settledAt] === 0 && this.#slots[at + metAt] === 0;
  }

  #makeRoom(): void {
    if (this.#used >= this.#linesInMemoryMax) this.#moveToIndex();
    else this.#grow();
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(before.length * 2);
    for (let from = 0; from < before.length; from += slotWords) {
      if (before[from + settledAt] === 0 && before[from + metAt] === 0) continue;
      const to = this.#find(before[from + highAt] as number, before[from + lowAt] as number);
      for (let word = 0; word < slotWords; word++) this.#slots[to + word] = before[from + word] as number;
    }
  }

  #moveToIndex(): void {
    this.#index ??= { lines: this.#createIndex(), filter: new HashFilter() };
    this.#index.lines.put(this.#slots);
    for (let at = 0; at < this.#slots.length; at += slotWords) {
      if (!this.#isFree(at))
        this.#index.filter.add(this.#slots[at + highAt] as number, this.#slots[at + lowAt] as number);
    }
    this.#slots.fill(0);
    this.#used = 0;
  }
}
