/**
 * Lines that were in flight when a process died. When they are sent again, each keeps the observed time with which it was
 * announced, even if the object was overwritten in between, so that the repeat is identical byte for byte.
 */
import type { Announcement } from '../contracts/delivery-state.ts';
import type { LineHash, LineHasher } from './line-hash.ts';

interface AnnouncedLine {
  readonly lineHash: LineHash;
  readonly occurrence: number;
  readonly observedAtMs: number;
}

export class AnnouncedLines {
  readonly #hasher: LineHasher;
  /** By hash of line and occurrence. Empty unless a process died; even then limited to what it had in flight. */
  readonly #lines = new Map<string, AnnouncedLine>();

  constructor(hasher: LineHasher, announcements: readonly Announcement[]) {
    this.#hasher = hasher;
    for (const { observedAtMs, lineHashes, occurrences } of announcements) {
      for (const [index, occurrence] of occurrences.entries()) {
        const lineHash = { high: lineHashes[2 * index] as number, low: lineHashes[2 * index + 1] as number };
        this.#lines.set(this.#keyOf(lineHash, occurrence), { lineHash, occurrence, observedAtMs });
      }
    }
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Removes a line that the object contains. Returns the observed time with which it was announced, if it was. */
  take(lineHash: LineHash, occurrence: number): number | undefined {
    if (this.#lines.size === 0) return undefined;
    const key = this.#keyOf(lineHash, occurrence);
    const line = this.#lines.get(key);
    this.#lines.delete(key);
    return line?.observedAtMs;
  }

  /** The announced lines that were not taken: the object no longer contains them. */
  remaining(): readonly Announcement[] {
    const byTime = Map.groupBy(this.#lines.values(), ({ observedAtMs }) => observedAtMs);
    return [...byTime].map(([observedAtMs, lines]) => ({
      observedAtMs,
      lineHashes: Int32Array.from(lines.flatMap(({ lineHash: { high, low } }) => [high, low])),
      occurrences: Int32Array.from(lines, ({ occurrence }) => occurrence),
    }));
  }

  #keyOf(lineHash: LineHash, occurrence: number): string {
    // Occurrence 0: the hash includes the occurrence already (contracts/delivery-state.ts).
    const { high, low } = occurrence === 0 ? lineHash : this.#hasher.ofOccurrence(lineHash, occurrence);
    return `${high}:${low}`;
  }
}
