/**
 * Lines that were in flight when a process died. Sent again, each takes the observed time that it was announced with, even
 * when the object was overwritten in between, so that the repeat is the same byte for byte.
 */
import type { Announcement } from '../contracts/delivery-state.ts';
import type { LineHash } from './line-hash.ts';

interface AnnouncedLine {
  readonly occurrence: LineHash;
  readonly observedAtMs: number;
}

export class AnnouncedLines {
  /** Few: what one process had in flight. Empty unless a process died. */
  readonly #lines = new Map<string, AnnouncedLine>();

  constructor(announcements: Iterable<Announcement>) {
    for (const { observedAtMs, occurrenceHashes } of announcements) {
      for (let i = 0; i < occurrenceHashes.length; i += 2) {
        const occurrence = { high: occurrenceHashes[i] as number, low: occurrenceHashes[i + 1] as number };
        this.#lines.set(nameOf(occurrence), { occurrence, observedAtMs });
      }
    }
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** The line was met in the object. Returns the observed time that it was announced with, if it was. */
  take(occurrence: LineHash): number | undefined {
    if (this.#lines.size === 0) return undefined;
    const name = nameOf(occurrence);
    const line = this.#lines.get(name);
    this.#lines.delete(name);
    return line?.observedAtMs;
  }

  /** What the object no longer holds. */
  remaining(): readonly Announcement[] {
    const byTime = Map.groupBy(this.#lines.values(), ({ observedAtMs }) => observedAtMs);
    return [...byTime].map(([observedAtMs, lines]) => ({
      observedAtMs,
      occurrenceHashes: Int32Array.from(lines.flatMap(({ occurrence: { high, low } }) => [high, low])),
    }));
  }
}

function nameOf({ high, low }: LineHash): string {
  return `${high}:${low}`;
}
