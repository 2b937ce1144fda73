/**
 * Where the values of a mapping's paths stand in a record. All records of one shape have them at the same entries.
 */
import { isValue, kinds } from '../kernel/tape.ts';
import type { JsonTape } from './json-tape.ts';

/** A segment of paths: `identityMetadata|identity_metadata`. The first spelling with a value counts. */
interface Segment {
  readonly spellings: readonly string[];
  /** The path that ends here. */
  path: number | undefined;
  /** What paths that go on look for in the value, by the text of the segment. */
  readonly inner: Map<string, Segment>;
}

/** A value on the tape of the record, or of an object that stands in one of its texts. */
export interface FoundValue {
  readonly tape: JsonTape;
  readonly entry: number;
}

export interface FoundPaths {
  /** Of the record. */
  readonly tape: JsonTape;
  /** Nulls and empty texts are no values. */
  find(path: string): FoundValue | undefined;
  /**
   * Equal for records that have their values at the same entries, each of the same kind. Undefined when something was looked
   * for in a text: what was found holds for the one record only.
   */
  readonly signature: string | undefined;
}

export class RecordPaths {
  readonly #indexOf = new Map<string, number>();
  readonly #root = new Map<string, Segment>();

  /** All paths have to be known before they are looked for. */
  add(path: string): void {
    if (this.#indexOf.has(path)) return;
    const index = this.#indexOf.size;
    this.#indexOf.set(path, index);
    let inner = this.#root;
    let last: Segment | undefined;
    for (const text of path.split('.')) {
      last = inner.get(text) ?? { spellings: text.split('|'), path: undefined, inner: new Map() };
      inner.set(text, last);
      inner = last.inner;
    }
    if (last !== undefined) last.path = index;
  }

  /**
   * Looks for all paths in the record on the tape.
   * @param readText gives the tape of an object that stands in a text, as Azure writes it; undefined when there is none.
   */
  findIn(tape: JsonTape, readText: (text: string) => JsonTape | undefined): FoundPaths {
    const search = new Search(this.#indexOf.size, readText);
    search.look(this.#root.values(), tape, 0);
    const { values } = search;
    return {
      tape,
      find: (path) => values[this.#indexOf.get(path) ?? -1],
      signature: search.hasLookedIntoText ? undefined : signatureOf(values),
    };
  }
}

class Search {
  /** By the index of the path. */
  readonly values: (FoundValue | undefined)[];
  hasLookedIntoText = false;
  readonly #readText: (text: string) => JsonTape | undefined;

  constructor(pathCount: number, readText: (text: string) => JsonTape | undefined) {
    this.values = new Array<undefined>(pathCount).fill(undefined);
    this.#readText = readText;
  }

  look(segments: Iterable<Segment>, tape: JsonTape, object: number): void {
    const members = membersOf(tape, object);
    for (const { spellings, path, inner } of segments) {
      const entry = firstWithValue(spellings, members, tape);
      if (entry === undefined) continue;
      if (path !== undefined) this.values[path] = { tape, entry };
      if (inner.size > 0) this.#lookInside(inner.values(), tape, entry);
    }
  }

  #lookInside(segments: Iterable<Segment>, tape: JsonTape, entry: number): void {
    const kind = tape.kind(entry);
    if (kind === kinds.object) this.look(segments, tape, entry);
    // An object with members has quotes, which only escapes bring into a text.
    if (kind !== kinds.escapedText) return;
    this.hasLookedIntoText = true;
    const inner = this.#readText(tape.text(entry));
    if (inner !== undefined) this.look(segments, inner, 0);
  }
}

function membersOf(tape: JsonTape, object: number): ReadonlyMap<string, number> {
  const members = new Map<string, number>();
  const end = tape.next(object);
  for (let entry = object + 1; entry < end; entry = tape.next(entry)) members.set(tape.key(entry).text, entry);
  return members;
}

function firstWithValue(
  spellings: readonly string[],
  members: ReadonlyMap<string, number>,
  tape: JsonTape,
): number | undefined {
  for (const spelling of spellings) {
    const entry = members.get(spelling);
    if (entry !== undefined && isValue(tape.kind(entry))) return entry;
  }
  return undefined;
}

function signatureOf(values: readonly (FoundValue | undefined)[]): string {
  let signature = '';
  for (const value of values)
    signature += value === undefined ? ',' : `${value.entry}:${value.tape.kind(value.entry)},`;
  return signature;
}
