/**
 * What follows from one or two short values of a record and from nothing else. The same users, addresses and status codes come
 * again and again, and with them what is written because of them: that is found out once, and kept for as long as the values
 * are known.
 */
import type { JsonTape } from './record/json-tape.ts';
import type { KnownText } from './record/text-memo.ts';

/** What a part of a plan looks at. */
export interface Basis {
  /** Of the values of the record. */
  readonly entries: readonly number[];
  /** True when it looks at nothing but these. */
  readonly isComplete: boolean;
  /** Equal when the same is looked at in the same way, wherever it stands in the record. */
  readonly signature: string;
}

/** What follows from one pair of values. */
export class DerivedCell<Value> {
  readonly first: KnownText;
  readonly second: KnownText;
  value: Value | undefined;
  /** What comes once only is not worth keeping. */
  cameBefore = false;

  constructor(first: KnownText, second: KnownText) {
    this.first = first;
    this.second = second;
  }
}

/** 8 KiB each. Records can make up kinds of values without end; what is beyond that is found out for each of them. */
const derivationsMax = 128;
const cellBits = 10;

/** The latest cells of one derivation, whatever the entries are at which records have its values. */
export class DerivedCells<Value> {
  readonly #cells = new Array<DerivedCell<Value> | undefined>(1 << cellBits).fill(undefined);

  of(first: KnownText, second: KnownText): DerivedCell<Value> {
    const at = (Math.imul(first.slot, 0x9e3779b1) + Math.imul(second.slot, 0x85ebca6b)) >>> (32 - cellBits);
    const cell = this.#cells[at];
    if (cell !== undefined && cell.first === first && cell.second === second) {
      cell.cameBefore = true;
      return cell;
    }
    const begun = new DerivedCell<Value>(first, second);
    this.#cells[at] = begun;
    return begun;
  }
}

/** A derivation for the records of one plan. */
export class Derivation<Value> {
  readonly #cells: DerivedCells<Value>;
  readonly #first: number;
  readonly #second: number;

  /** @param entries one or two, of values that are no containers. */
  constructor(cells: DerivedCells<Value>, [first = 0, second = first]: readonly number[]) {
    this.#cells = cells;
    this.#first = first;
    this.#second = second;
  }

  /** Undefined when a value is too long to be known. */
  cellOf(tape: JsonTape): DerivedCell<Value> | undefined {
    const first = tape.known(this.#first);
    if (first === undefined) return undefined;
    const second = this.#second === this.#first ? first : tape.known(this.#second);
    return second === undefined ? undefined : this.#cells.of(first, second);
  }
}

/** The derivations of one mapping; plans that derive the same from values of the same kinds share what was found out. */
export class DerivationBook<Value> {
  readonly #cells = new Map<string, DerivedCells<Value>>();

  /**
   * @param name of what is derived.
   * @returns undefined when it does not follow from one or two values alone.
   */
  derive(name: string, { entries, isComplete, signature }: Basis): Derivation<Value> | undefined {
    if (!isComplete || entries.length === 0 || entries.length > 2) return undefined;
    const key = `${name} ${signature}`;
    const known = this.#cells.get(key);
    if (known === undefined && this.#cells.size >= derivationsMax) return undefined;
    const cells = known ?? new DerivedCells<Value>();
    this.#cells.set(key, cells);
    return new Derivation(cells, entries);
  }
}
