/**
 * Counts names and keeps the first few, for a message of bounded length.
 */
import { printable } from '../runtime/printable.ts';

const shownMax = 3;

export class NameSample {
  readonly #shown: string[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(name: string): void {
    this.#count++;
    if (this.#shown.length < shownMax) this.#shown.push(`"${printable(name)}"`);
  }

  /** `"a", "b", "c" and 4 more` */
  toString(): string {
    const moreCount = this.#count - this.#shown.length;
    return `${this.#shown.join(', ')}${moreCount === 0 ? '' : ` and ${moreCount} more`}`;
  }
}
