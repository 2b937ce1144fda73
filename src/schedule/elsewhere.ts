/**
 * Objects of one workspace that another process held when they were to be visited, or another visit of this one. They are looked at again
 * until they are settled there, or can be visited here because their owner released them or died.
 */
import type { DeliveryState } from '../contracts/delivery-state.ts';
import type { Candidate } from '../contracts/source.ts';
import type { VisitOutcome } from '../contracts/visit-outcome.ts';
import type { Clock } from '../runtime/clock.ts';

const [firstDelayMs, lastDelayMs] = [2_000, 30_000];

export interface ElsewhereParts {
  readonly state: Pick<DeliveryState, 'unsettled'>;
  readonly clock: Clock;
}

export interface Left {
  /** Another visit has settled them. */
  readonly settled: readonly Candidate[];
  /** Still held when the time was over. */
  readonly held: readonly Candidate[];
}

export class Elsewhere {
  readonly #parts: ElsewhereParts;
  readonly #forMs: number;
  #held: Candidate[] = [];

  /** Looks end before the next poll, which would skip the workspace if it were still busy. */
  constructor(parts: ElsewhereParts, pollIntervalMs: number) {
    this.#parts = parts;
    this.#forMs = Math.max(pollIntervalMs / 2, pollIntervalMs - lastDelayMs);
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  add(candidate: Candidate): void {
    this.#held.push(candidate);
  }

  /**
   * Resolves when none is held any more, the time is over or the signal aborts. Rejects with an error that is fatal.
   * @param visit ends in `elsewhere` if the object is still held; it reports any other outcome itself.
   */
  async settle(visit: (candidate: Candidate) => Promise<VisitOutcome | undefined>, signal: AbortSignal): Promise<Left> {
    const { state, clock } = this.#parts;
    const settled: Candidate[] = [];
    let waitedMs = 0;
    for (let delayMs = firstDelayMs; this.#held.length > 0; delayMs = Math.min(2 * delayMs, lastDelayMs)) {
      waitedMs += delayMs;
      if (waitedMs > this.#forMs) break;
      await clock.sleep(delayMs, signal).catch(() => {});
      if (signal.aborted) break;
      const unsettled = new Set(await state.unsettled(this.#held.map(({ object }) => object)));
      const held: Candidate[] = [];
      for (const candidate of this.#held) {
        if (!unsettled.has(candidate.object)) settled.push(candidate);
        else if ((await visit(candidate))?.status === 'elsewhere') held.push(candidate);
      }
      this.#held = held;
    }
    const left = { settled, held: this.#held };
    this.#held = [];
    return left;
  }
}
