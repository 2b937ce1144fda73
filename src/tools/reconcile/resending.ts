/**
 * Sends lines again that were accepted once and that the backend does not have. Their records are those of the first sending:
 * the same lines, observed times and mapping give the same bytes.
 */
import type { BatchEnd } from '../../contracts/exporter.ts';
import type { IdentifiedLine } from '../../model/line.ts';
import type { BatchLimits } from '../../pipeline/batch-builder.ts';
import type { SettledLine } from './object-comparison.ts';

/** Sends lines of one object in one request. Resolves when each of them was accepted or dead-lettered. */
export type SendAgain = (lines: readonly [IdentifiedLine, ...IdentifiedLine[]]) => Promise<BatchEnd>;

/** A record takes about twice the bytes of its line, which it contains. */
const recordBytesPerLineByte = 2;

export class Resending {
  readonly #sendAgain: SendAgain;
  readonly #limits: BatchLimits;
  #lines: IdentifiedLine[] = [];
  #sizeBytes = 0;
  readonly #counts = { resentCount: 0, resentDifferentlyCount: 0 };

  constructor(sendAgain: SendAgain, limits: BatchLimits) {
    this.#sendAgain = sendAgain;
    this.#limits = limits;
  }

  /** Copies the lines, and sends them once a request is full or another object begins. */
  async add(lines: readonly SettledLine[]): Promise<void> {
    for (const { line, isAsSent } of lines) {
      if (this.#lines[0] !== undefined && this.#lines[0].origin.id !== line.origin.id) await this.#send();
      this.#lines.push({ ...line, bytes: Uint8Array.from(line.bytes) });
      this.#sizeBytes += line.bytes.length * recordBytesPerLineByte;
      if (!isAsSent) this.#counts.resentDifferentlyCount++;
      const { recordsMax, bytesMax } = this.#limits;
      if (this.#lines.length >= recordsMax || this.#sizeBytes >= bytesMax) await this.#send();
    }
  }

  /** Sends the rest. Returns how many lines were sent since the last call, and starts counting again. */
  async flush(): Promise<{ readonly resentCount: number; readonly resentDifferentlyCount: number }> {
    await this.#send();
    const counts = { ...this.#counts };
    this.#counts.resentCount = 0;
    this.#counts.resentDifferentlyCount = 0;
    return counts;
  }

  async #send(): Promise<void> {
    const [first, ...others] = this.#lines;
    if (first === undefined) return;
    this.#lines = [];
    this.#sizeBytes = 0;
    await this.#sendAgain([first, ...others]);
    this.#counts.resentCount += 1 + others.length;
  }
}
