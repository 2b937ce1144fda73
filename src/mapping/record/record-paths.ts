/**
 * Where the values of a mapping's paths stand in a record. Every path is followed once, however many attributes and conditions
 * are made from it.
 */
import { Buffer } from 'node:buffer';
import type { JsonValue } from './exact-json.ts';
import { type JsonTape, kinds, none } from './json-tape.ts';
import type { KeyTable, RecordKey } from './key-table.ts';

/** A segment of paths: `identityMetadata|identity_metadata`. The first spelling with a value counts. */
interface Member {
  readonly segment: string;
  readonly spellings: readonly RecordKey[];
  /** Of each spelling, while a record is read. */
  readonly entries: number[];
  /** The path that ends here. */
  path: number | undefined;
  /** What paths that go on look for in the value. */
  readonly members: Member[];
}

type ReadText = (text: string) => JsonTape | undefined;

/** Texts up to this length are compared with that of the record before. */
const comparedBytesMax = 64;

/** The value of one path, in the record that was read last. */
class PathValue {
  tape: JsonTape | undefined;
  entry = none;
  #isCurrent = false;
  #value: JsonValue | undefined;
  /** The bytes of the last short text: the next record often has the same one, which then need not be made again. */
  readonly #bytes = Buffer.alloc(comparedBytesMax);
  #size = none;

  clear(): void {
    this.entry = none;
    this.#isCurrent = false;
  }

  get(): JsonValue | undefined {
    if (this.entry === none || this.tape === undefined) return undefined;
    if (!this.#isCurrent) {
      if (!this.#isSameText(this.tape)) this.#value = this.#read(this.tape);
      this.#isCurrent = true;
    }
    return this.#value;
  }

  #isSameText(tape: JsonTape): boolean {
    if (tape.kind(this.entry) !== kinds.text) return false;
    const start = tape.start(this.entry);
    if (tape.end(this.entry) - start !== this.#size) return false;
    for (let index = 0; index < this.#size; index++) {
      if (this.#bytes[index] !== tape.bytes[start + index]) return false;
    }
    return true;
  }

  #read(tape: JsonTape): JsonValue {
    const [start, end] = [tape.start(this.entry), tape.end(this.entry)];
    const isShortText = tape.kind(this.entry) === kinds.text && end - start <= comparedBytesMax;
    this.#size = isShortText ? end - start : none;
    for (let index = 0; index < this.#size; index++) this.#bytes[index] = tape.bytes[start + index] as number;
    return tape.value(this.entry);
  }
}

/** The values of the record that was read last. */
export class RecordValues {
  readonly #values: PathValue[] = [];

  clear(): void {
    for (const value of this.#values) value.clear();
  }

  add(): void {
    this.#values.push(new PathValue());
  }

  set(path: number, tape: JsonTape, entry: number): void {
    const value = this.#values[path] as PathValue;
    value.tape = tape;
    value.entry = entry;
  }

  /** The entry on the path's tape, or `none`. Nulls and empty texts are no values. */
  entry(path: number): number {
    return (this.#values[path] as PathValue).entry;
  }

  /** Of a path that has a value. */
  tape(path: number): JsonTape {
    return (this.#values[path] as PathValue).tape as JsonTape;
  }

  value(path: number): JsonValue | undefined {
    return (this.#values[path] as PathValue).get();
  }

  /** The first path that has a value. */
  firstPath(paths: readonly number[]): number | undefined {
    for (const path of paths) if (this.entry(path) !== none) return path;
    return undefined;
  }

  firstValue(paths: readonly number[]): JsonValue | undefined {
    const path = this.firstPath(paths);
    return path === undefined ? undefined : this.value(path);
  }
}

export class RecordPaths {
  readonly values = new RecordValues();
  readonly #keyTable: KeyTable;
  readonly #pathOf = new Map<string, number>();
  readonly #members: Member[] = [];

  constructor(keyTable: KeyTable) {
    this.#keyTable = keyTable;
  }

  /** The number of the path. All paths have to be known before the first record is read. */
  indexOf(path: string): number {
    const known = this.#pathOf.get(path);
    if (known !== undefined) return known;
    const index = this.#pathOf.size;
    this.#pathOf.set(path, index);
    this.values.add();
    this.#add(this.#members, path.split('.'), index);
    return index;
  }

  /**
   * Finds the paths of the record on the tape.
   * @param readText gives the tape of an object that stands in a text, as Azure writes it; undefined when there is none.
   */
  read(tape: JsonTape, readText: ReadText): void {
    this.values.clear();
    // First all members of the record itself: their keys know where they stand until another record is scanned.
    for (const { spellings, entries } of this.#members) {
      for (let index = 0; index < spellings.length; index++) {
        entries[index] = tape.memberOfRecord(spellings[index] as RecordKey);
      }
    }
    this.#take(this.#members, tape, readText);
  }

  #readObject(members: readonly Member[], tape: JsonTape, object: number, readText: ReadText): void {
    for (const { entries } of members) entries.fill(none);
    const end = tape.next(object);
    for (let entry = object + 1; entry < end; entry = tape.next(entry)) {
      const key = tape.key(entry);
      for (const { spellings, entries } of members) {
        const spelling = spellings.indexOf(key);
        if (spelling !== -1) entries[spelling] = entry;
      }
    }
    this.#take(members, tape, readText);
  }

  #take(members: readonly Member[], tape: JsonTape, readText: ReadText): void {
    for (const member of members) {
      const entry = firstWithValue(member.entries, tape);
      if (entry === none) continue;
      if (member.path !== undefined) this.values.set(member.path, tape, entry);
      if (member.members.length > 0) this.#readInside(member.members, tape, entry, readText);
    }
  }

  #readInside(members: readonly Member[], tape: JsonTape, entry: number, readText: ReadText): void {
    const inner = tape.kind(entry) === kinds.object ? { tape, entry } : objectInText(tape, entry, readText);
    if (inner !== undefined) this.#readObject(members, inner.tape, inner.entry, readText);
  }

  #add(members: Member[], [segment = '', ...rest]: readonly string[], path: number): void {
    let member = members.find((other) => other.segment === segment);
    if (member === undefined) {
      const spellings = segment.split('|').map((name) => this.#keyTable.pin(name));
      member = { segment, spellings, entries: spellings.map(() => none), path: undefined, members: [] };
      members.push(member);
    }
    if (rest.length === 0) member.path = path;
    else this.#add(member.members, rest, path);
  }
}

function objectInText(
  tape: JsonTape,
  entry: number,
  readText: ReadText,
): { tape: JsonTape; entry: number } | undefined {
  const kind = tape.kind(entry);
  const inner = kind === kinds.text || kind === kinds.escapedText ? readText(tape.text(entry)) : undefined;
  return inner === undefined ? undefined : { tape: inner, entry: 0 };
}

function firstWithValue(entries: readonly number[], tape: JsonTape): number {
  for (const entry of entries) if (entry !== none && tape.hasValue(entry)) return entry;
  return none;
}
