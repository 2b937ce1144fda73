/**
 * What can be said of the records of one shape: where their paths lead, and which conditions hold for all of them.
 */
import type { Conversion, Scalar } from '../conversions.ts';
import { originEntry } from '../kernel/kernel.ts';
import { isContainer, type Kind, kinds } from '../kernel/tape.ts';
import type { Condition, LineField } from '../mapping-schema.ts';
import type { FoundPaths, FoundValue } from '../record/record-paths.ts';
import type { Basis } from './derivation.ts';

import type { Read, Test } from './record-plan.ts';

export interface FactRule {
  readonly from: readonly string[];
  readonly conversion: Conversion;
  /** Its conversion gives something for whatever is no container. */
  readonly isText: boolean;
}

export interface PlannedRead {
  readonly read: Read;
  /** Where the value stands in the record, if it is always there. */
  readonly entry: number | undefined;
  /** What is read of the line, if that is all. */
  readonly field: LineField | undefined;
}

interface FoundRead extends PlannedRead {
  /** Entries of the record, or `originEntry`. */
  readonly looksAt: readonly number[];
  /** True when something else is read too, or a container. */
  readonly readsBeyond: boolean;
}

/** Fields that all lines of an object have alike. */
const originFields: ReadonlySet<LineField> = new Set(['bucket', 'key', 'fileName', 'workspaceId', 'date']);

type PlannedTest = Test | 'always' | 'never';

export class Planning {
  readonly #paths: FoundPaths | undefined;
  readonly #lineReaders: Readonly<Partial<Record<LineField, Read>>>;
  readonly #facts: ReadonlyMap<string, FactRule>;
  /** Of what is traced: paths that have a value, and of what kind it is. */
  readonly #findings: (string | Kind)[] = [];
  readonly #entries = new Set<number>();
  #isComplete = true;

  /** @param paths of a record of the shape; undefined for lines without a record. */
  constructor(
    paths: FoundPaths | undefined,
    lineReaders: Readonly<Partial<Record<LineField, Read>>>,
    facts: ReadonlyMap<string, FactRule>,
  ) {
    this.#paths = paths;
    this.#lineReaders = lineReaders;
    this.#facts = facts;
  }

  kind(entry: number): Kind | undefined {
    return this.#paths?.tape.kind(entry);
  }

  /** What `plan` gives, and what that looks at. */
  trace<Result>(plan: (planning: Planning) => Result): { readonly result: Result; readonly basis: Basis } {
    this.#findings.length = 0;
    this.#entries.clear();
    this.#isComplete = true;
    const result = plan(this);
    const signature = JSON.stringify(this.#findings);
    return { result, basis: { entries: [...this.#entries], isComplete: this.#isComplete, signature } };
  }

  /** What is planned looks at something else besides: at the line itself, or at more than short values. */
  looksBeyond(): void {
    this.#isComplete = false;
  }

  /** Reads the first path with a value; undefined when none of them ever has one. */
  read(from: readonly string[]): PlannedRead | undefined {
    const found = this.#find(from);
    if (found === undefined) return undefined;
    this.#lookAt(found);
    return found;
  }

  /** What all of the conditions come to. */
  test(when: Readonly<Record<string, Condition>> | undefined): PlannedTest {
    const tests: Test[] = [];
    for (const [name, condition] of Object.entries(when ?? {})) {
      const test = this.#testFact(this.#facts.get(name), condition);
      if (test === 'never') return 'never';
      if (test !== 'always') tests.push(test);
    }
    const [first, second] = tests;
    if (first === undefined) return 'always';
    return second === undefined ? first : (input) => tests.every((test) => test(input));
  }

  #find(from: readonly string[]): FoundRead | undefined {
    const reads: Read[] = [];
    const looksAt: number[] = [];
    let field: LineField | undefined;
    let entry: number | undefined;
    let readsBeyond = false;
    for (const path of from) {
      if (isOfLine(path)) {
        field = path.slice(1) as LineField;
        const read = this.#lineReaders[field];
        if (read === undefined) continue;
        reads.push(read);
        if (originFields.has(field)) looksAt.push(originEntry);
        else readsBeyond = true;
        continue;
      }
      const found = this.#paths?.find(path);
      if (found === undefined) continue;
      const isInRecord = found.tape === this.#paths?.tape;
      const kind = found.tape.kind(found.entry);
      if (isInRecord) {
        looksAt.push(found.entry);
        entry = found.entry;
      }
      readsBeyond ||= !isInRecord || isContainer(kind);
      this.#findings.push(path, kind);
      reads.push(readerOf(found, isInRecord));
      break;
    }
    const [first, second] = reads;
    if (first === undefined) return undefined;
    if (second !== undefined)
      return { read: readFirst(reads), entry: undefined, field: undefined, looksAt, readsBeyond };
    return { read: first, entry, field: entry === undefined ? field : undefined, looksAt, readsBeyond };
  }

  #lookAt({ looksAt, readsBeyond }: FoundRead): void {
    for (const entry of looksAt) this.#entries.add(entry);
    if (readsBeyond) this.looksBeyond();
  }

  #testFact(fact: FactRule | undefined, condition: Condition): PlannedTest {
    const holds = compileCondition(condition);
    const planned = fact && this.#find(fact.from);
    if (fact === undefined || planned === undefined) return holds(undefined) ? 'always' : 'never';
    const { conversion, isText } = fact;
    const kind = planned.entry === undefined ? undefined : this.kind(planned.entry);
    if (isText && kind !== undefined) {
      if (isContainer(kind)) return holds(undefined) ? 'always' : 'never';
      // Whatever the text says.
      if (!Array.isArray(condition)) return condition === 'present' ? 'always' : 'never';
    }
    this.#lookAt(planned);
    const { read } = planned;
    return (input) => {
      const value = read(input);
      return holds(value === undefined ? undefined : conversion.convert(value, input));
    };
  }
}

function compileCondition(condition: Condition): (value: Scalar | undefined) => boolean {
  if (condition === 'present') return (value) => value !== undefined;
  if (condition === 'absent') return (value) => value === undefined;
  if (Array.isArray(condition)) {
    const values = new Set<Scalar>(condition);
    return (value) => values.has(value ?? '');
  }
  const { from, to } = condition;
  return (value) => typeof value === 'number' && value >= from && value <= to;
}

/** In every record of the shape the value is at the same entry and of the same kind. */
function readerOf({ tape, entry }: FoundValue, isInRecord: boolean): Read {
  if (!isInRecord) return () => tape.value(entry);
  switch (tape.kind(entry)) {
    case kinds.text:
      return (input) => input.tape.plainText(entry);
    case kinds.integer:
      return (input) => input.tape.integer(entry);
    default:
      return (input) => input.tape.value(entry);
  }
}

function readFirst(reads: readonly Read[]): Read {
  return (input) => {
    for (const read of reads) {
      const value = read(input);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

/** Such as `$digest`: what is known of the line, and not from its record. */
export function isOfLine(path: string): boolean {
  return path.startsWith('$');
}
