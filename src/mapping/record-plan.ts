/**
 * What the mapping comes to for the records of one shape: which values are copied from where, and what is left to decide
 * by the values themselves.
 */
import type { IdentifiedLine } from '../model/line.ts';
import type { Scalar } from './conversions.ts';
import type { JsonValue } from './record/exact-json.ts';
import type { JsonTape } from './record/json-tape.ts';
import type { AttributeKey } from './writers/attribute-key.ts';
import type { LogRecordWriter, Severity } from './writers/log-record-writer.ts';

/** What steps look at. */
export interface MappingInput {
  readonly line: IdentifiedLine;
  readonly occurrence: number;
  readonly isCut: boolean;
  /** A constant text without content of the record. */
  unparsedReason: string | undefined;
  /** Of the record that is being written. */
  eventName: string;
  /** Of the record, if there is one. */
  readonly tape: JsonTape;
  /** By the index of the fact; those that some condition of the plan looks at. */
  readonly facts: (Scalar | undefined)[];
  /** Set when a text was cut whose rule has no flag of its own. */
  wasShortened: boolean;
}

export type Read = (input: MappingInput) => JsonValue | undefined;
export type Test = (input: MappingInput) => boolean;
/** Writes the attribute; true when there was something to write. */
export type Write = (input: MappingInput, out: LogRecordWriter) => boolean;

export interface PlannedFact {
  readonly index: number;
  readonly read: (input: MappingInput) => Scalar | undefined;
}

/** One attribute. */
export interface Step {
  /** A text of the record that is copied, from this entry; -1 for anything else. */
  readonly copiedEntry: number;
  readonly key: AttributeKey;
  /** Longer texts are not copied. */
  readonly bytesMax: number;
  /** Does the same for a copied text as for anything else, by way of a string. */
  readonly write: Write;
}

export interface RecordPlan {
  readonly readTimestamp: Read | undefined;
  readonly facts: readonly PlannedFact[];
  readonly severityOf: (input: MappingInput) => Severity;
  /** The values of the resource's attributes, in their order. */
  readonly resource: readonly ((input: MappingInput) => string | undefined)[];
  readonly steps: readonly Step[];
  readonly writeFlag: (out: LogRecordWriter) => void;
}

export function readFacts({ facts }: RecordPlan, input: MappingInput): void {
  for (const { index, read } of facts) input.facts[index] = read(input);
}

export function writeAttributes({ steps, writeFlag }: RecordPlan, input: MappingInput, out: LogRecordWriter): void {
  const { tape } = input;
  input.wasShortened = false;
  for (const step of steps) {
    const entry = step.copiedEntry;
    if (entry === -1) {
      step.write(input, out);
      continue;
    }
    const start = tape.start(entry);
    const end = tape.end(entry);
    if (end - start <= step.bytesMax) out.utf8(step.key, tape, start, end);
    else step.write(input, out);
  }
  if (input.wasShortened) writeFlag(out);
}
