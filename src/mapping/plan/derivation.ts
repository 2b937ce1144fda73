/**
 * What follows from one or two short values of a record and from nothing else. The same users, addresses and status codes come
 * again and again, and with them what is written because of them: that is found out once, and held for as long as the kernel
 * knows the values.
 */
import { type Kernel, originEntry } from '../kernel/kernel.ts';

/** What a part of a plan looks at. */
export interface Basis {
  /** Of the values of the record, or `originEntry`. */
  readonly entries: readonly number[];
  /** True when it looks at nothing but these. */
  readonly isComplete: boolean;
  /** Equal when the same is looked at in the same way, wherever it stands in the record. */
  readonly signature: string;
}

/** A derivation for the records of one plan. */
export class Derivation<Value> {
  readonly cells: number;
  readonly first: number;
  readonly second: number;
  readonly #kernel: Kernel;
  /** By the index of the cell. */
  readonly #values: Value[];

  constructor(kernel: Kernel, cells: number, values: Value[], [first = 0, second = first]: readonly number[]) {
    this.#kernel = kernel;
    this.cells = cells;
    this.#values = values;
    this.first = first;
    this.second = second;
  }

  /** @param read finds out what it is for the record that the kernel read last. */
  of<Input>(input: Input, read: (input: Input) => Value): Value {
    const cell = this.#kernel.cellOf(this.cells, this.first, this.second);
    if (cell === 0) return read(input);
    const index = this.#kernel.cellIndex(this.cells, cell);
    if (this.#kernel.isHeld(cell)) return this.#values[index] as Value;
    const value = read(input);
    this.#values[index] = value;
    this.#kernel.hold(cell);
    return value;
  }
}

/** The derivations of one mapping; plans that derive the same from values of the same kinds share what was found out. */
export class DerivationBook<Value> {
  readonly #kernel: Kernel;
  readonly #known = new Map<string, { readonly cells: number; readonly values: Value[] }>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * @param name of what is derived.
   * @returns undefined when it does not follow from one or two values alone, and when there are too many derivations already.
   */
  derive(name: string, { entries, isComplete, signature }: Basis): Derivation<Value> | undefined {
    if (!isComplete || entries.length > 2) return undefined;
    const key = `${name} ${signature}`;
    const known = this.#known.get(key) ?? this.#begin(key);
    // What follows from nothing at all is the same wherever a line comes from.
    return (
      known && new Derivation(this.#kernel, known.cells, known.values, entries.length === 0 ? [originEntry] : entries)
    );
  }

  #begin(key: string): { readonly cells: number; readonly values: Value[] } | undefined {
    const cells = this.#kernel.createCells();
    if (cells === undefined) return undefined;
    const begun = { cells, values: [] };
    this.#known.set(key, begun);
    return begun;
  }
}
