/**
 * What was found out about the records of one shape, and holds for all of them.
 */
import { unkeptShape } from '../kernel/kernel.ts';

/** Records can make up shapes without end. */
const shapesMax = 16_384;

export class ShapeFacts<Fact> {
  readonly #facts = new Map<number, Fact>();

  get(shape: number): Fact | undefined {
    return this.#facts.get(shape);
  }

  /** Nothing is kept of a shape that is not. */
  set(shape: number, fact: Fact): void {
    if (shape === unkeptShape) return;
    if (this.#facts.size >= shapesMax) this.#facts.clear();
    this.#facts.set(shape, fact);
  }

  clear(): void {
    this.#facts.clear();
  }
}
