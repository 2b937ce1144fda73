/**
 * Reads all paths of a mapping from a record in one go: every key of the record is looked at once, and every path is
 * followed once, however many attributes and conditions are made from it.
 */
import { toObject } from './conversions.ts';
import type { JsonObject, JsonValue } from './exact-json.ts';

export type PathValues = (JsonValue | undefined)[];

type ReadObject = (object: JsonObject) => JsonValue | undefined;

interface ParentReader {
  /** Spellings of the top-level key, as slots. */
  readonly slots: readonly number[];
  readonly children: { readonly path: number; readonly read: ReadObject }[];
}

export class RecordPaths {
  readonly #paths = new Map<string, number>();
  /** Where the values of top-level keys are kept while one record is read. */
  readonly #slotOfKey = new Map<string, number>();
  readonly #slots: PathValues = [];
  readonly #topLevel: { readonly path: number; readonly slots: readonly number[] }[] = [];
  readonly #parents = new Map<string, ParentReader>();

  /** The index of the path's value. All paths have to be known before the first record is read. */
  indexOf(path: string): number {
    return this.#paths.get(path) ?? this.#add(path);
  }

  /** Nulls and empty texts are no values. */
  read(record: JsonObject, values: PathValues): void {
    const slots = this.#slots.fill(undefined);
    for (const key in record) {
      const slot = this.#slotOfKey.get(key);
      if (slot !== undefined) slots[slot] = presentOrNothing(record[key]);
    }
    for (const { path, slots: spellings } of this.#topLevel) values[path] = firstOf(spellings, slots);
    for (const parent of this.#parents.values()) {
      const object = toObject(firstOf(parent.slots, slots));
      for (const { path, read } of parent.children) values[path] = object === undefined ? undefined : read(object);
    }
  }

  #add(path: string): number {
    const index = this.#paths.size;
    this.#paths.set(path, index);
    const [first = '', ...rest] = path.split('.');
    const slots = first.split('|').map((key) => this.#slotFor(key));
    if (rest.length === 0) {
      this.#topLevel.push({ path: index, slots });
    } else {
      const parent = this.#parents.get(first) ?? { slots, children: [] };
      this.#parents.set(first, parent);
      parent.children.push({ path: index, read: readInside(rest) });
    }
    return index;
  }

  #slotFor(key: string): number {
    const slot = this.#slotOfKey.get(key) ?? this.#slots.push(undefined) - 1;
    this.#slotOfKey.set(key, slot);
    return slot;
  }
}

/** Follows the rest of a path, through objects in strings too. */
function readInside([segment = '', ...rest]: readonly string[]): ReadObject {
  const keys = segment.split('|');
  const readHere: ReadObject = (object) => {
    for (const key of keys) {
      const value = presentOrNothing(object[key]);
      if (value !== undefined) return value;
    }
    return undefined;
  };
  if (rest.length === 0) return readHere;
  const readDeeper = readInside(rest);
  return (object) => {
    const inner = toObject(readHere(object));
    return inner === undefined ? undefined : readDeeper(inner);
  };
}

function firstOf(spellings: readonly number[], slots: PathValues): JsonValue | undefined {
  for (const slot of spellings) {
    const value = slots[slot];
    if (value !== undefined) return value;
  }
  return undefined;
}

function presentOrNothing(value: JsonValue | undefined): JsonValue | undefined {
  return value === null || value === '' ? undefined : value;
}
