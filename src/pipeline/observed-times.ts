/**
 * The observed times with which the settled lines of one object were sent, so that a line can be sent again byte for byte.
 */
import type { SettledLines } from '../contracts/delivery-state.ts';
import type { LineHash, LineHasher } from './line-hash.ts';
import { LineTable } from './line-table.ts';

export interface ObservedTimes {
  /**
   * @param occurrence which occurrence of its bytes the line is, counting from 1.
   * @returns undefined if the state does not know it.
   */
  of(lineHash: LineHash, occurrence: number): number | undefined;
}

/**
 * @param settledLines all settled lines of the object, in the order in which they were settled.
 * @throws AgentError ERR_OBJECT_TOO_LARGE
 */
export function observedTimesOf(settledLines: readonly SettledLines[], hasher: LineHasher): ObservedTimes {
  const [first, ...others] = new Set(settledLines.map(({ observedAtMs }) => observedAtMs));
  // An object that was never overwritten between two visits has one observed time.
  if (others.length === 0) return { of: () => first };
  return new TimeTable(settledLines, hasher);
}

const loadFactorMax = 0.7;

/** A hash table in typed arrays with twelve bytes per slot. It never grows, because the number of lines is known. */
class TimeTable implements ObservedTimes {
  readonly #hasher: LineHasher;
  readonly #times: readonly (number | undefined)[];
  /** High and low word of the hash of each line and its occurrence. */
  readonly #hashes: Int32Array;
  /** Index of the line's time, plus one; 0 marks a free slot. */
  readonly #timeIndexes: Uint32Array;

  constructor(settledLines: readonly SettledLines[], hasher: LineHasher) {
    this.#hasher = hasher;
    this.#times = settledLines.map(({ observedAtMs }) => observedAtMs);
    const lineCount = settledLines.reduce((sum, { lineHashes }) => sum + lineHashes.length / 2, 0);
    const slotCount = 2 ** Math.ceil(Math.log2((lineCount + 1) / loadFactorMax));
    this.#hashes = new Int32Array(2 * slotCount);
    this.#timeIndexes = new Uint32Array(slotCount);
    const occurrences = new LineTable();
    for (const [index, { lineHashes }] of settledLines.entries()) {
      for (let i = 0; i < lineHashes.length; i += 2) {
        const lineHash = { high: lineHashes[i] as number, low: lineHashes[i + 1] as number };
        this.#insert(hasher.ofOccurrence(lineHash, occurrences.count(lineHash).seenCount), index);
      }
    }
  }

  of(lineHash: LineHash, occurrence: number): number | undefined {
    const timeIndex = this.#timeIndexes[this.#slotOf(this.#hasher.ofOccurrence(lineHash, occurrence))] as number;
    return this.#times[timeIndex - 1];
  }

  #insert(hash: LineHash, timeIndex: number): void {
    const slot = this.#slotOf(hash);
    this.#hashes[2 * slot] = hash.high;
    this.#hashes[2 * slot + 1] = hash.low;
    this.#timeIndexes[slot] = timeIndex + 1;
  }

  /** The slot of the line, or the free slot where it belongs. */
  #slotOf({ high, low }: LineHash): number {
    const lastSlot = this.#timeIndexes.length - 1;
    let slot = low & lastSlot;
    while (this.#timeIndexes[slot] !== 0 && (this.#hashes[2 * slot] !== high || this.#hashes[2 * slot + 1] !== low)) {
      slot = (slot + 1) & lastSlot;
    }
    return slot;
  }
}
