/**
 * Where the values of a mapping's paths stand in a record. All records of one shape have them at the same entries.
 */
import type { JsonTape } from './json-tape.ts';
import { isValue, kinds } from './record-shape.ts';

/** A value on the tape of the record, or of an object that stands in one of its texts. */
export interface FoundValue {
  readonly tape: JsonTape;
  readonly entry: number;
}

export class RecordPaths {
  /** Something was found in a text: this holds for the one record only. */
  lookedIntoText = false;
  /** Of the record. */
  readonly tape: JsonTape;
  readonly #readText: (text: string) => JsonTape | undefined;
  /** The members of each object that was looked into. */
  readonly #members = new Map<JsonTape, Map<number, Map<string, number>>>();
  readonly #inTexts = new Map<number, JsonTape | undefined>();

  /** @param readText gives the tape of an object that stands in a text, as Azure writes it; undefined when there is none. */
  constructor(tape: JsonTape, readText: (text: string) => JsonTape | undefined) {
    this.tape = tape;
    this.#readText = readText;
  }

  /**
   * Nulls and empty texts are no values.
   * @param path such as `identityMetadata|identity_metadata.runBy|run_by`: of each segment the first spelling with a value counts.
   */
  find(path: string): FoundValue | undefined {
    let found: FoundValue | undefined = { tape: this.tape, entry: 0 };
    for (const segment of path.split('.')) {
      const object: FoundValue | undefined = this.#objectAt(found);
      found = object && this.#member(object, segment.split('|'));
      if (found === undefined) return undefined;
    }
    return found;
  }

  #objectAt({ tape, entry }: FoundValue): FoundValue | undefined {
    const kind = tape.kind(entry);
    if (kind === kinds.object) return { tape, entry };
    // An object with members has quotes, which only escapes bring into a text.
    if (kind !== kinds.escapedText) return undefined;
    this.lookedIntoText = true;
    const inner = this.#objectInText(tape, entry);
    return inner && { tape: inner, entry: 0 };
  }

  #objectInText(tape: JsonTape, entry: number): JsonTape | undefined {
    if (tape !== this.tape) return this.#readText(tape.text(entry));
    if (!this.#inTexts.has(entry)) this.#inTexts.set(entry, this.#readText(tape.text(entry)));
    return this.#inTexts.get(entry);
  }

  #member({ tape, entry }: FoundValue, spellings: readonly string[]): FoundValue | undefined {
    const members = this.#membersOf(tape, entry);
    for (const spelling of spellings) {
      const member = members.get(spelling);
      if (member !== undefined && isValue(tape.kind(member))) return { tape, entry: member };
    }
    return undefined;
  }

  #membersOf(tape: JsonTape, object: number): Map<string, number> {
    const ofTape = this.#members.get(tape) ?? new Map<number, Map<string, number>>();
    this.#members.set(tape, ofTape);
    const known = ofTape.get(object);
    if (known !== undefined) return known;
    const members = new Map<string, number>();
    const end = tape.next(object);
    for (let entry = object + 1; entry < end; entry = tape.next(entry)) members.set(tape.key(entry).text, entry);
    ofTape.set(object, members);
    return members;
  }
}
