/**
 * What the mapping comes to for the records of one shape: which values are copied from where, what follows from short values
 * that come again and again, and what is left to decide for each record.
 */
import type { IdentifiedLine } from '../model/line.ts';
import type { Derivation } from './derivation.ts';
import type { JsonValue } from './record/exact-json.ts';
import type { JsonTape } from './record/json-tape.ts';
import type { AttributeKey } from './writers/attribute-key.ts';
import type { EncodedResource } from './writers/envelope.ts';
import type { LogRecordWriter, Severity } from './writers/log-record-writer.ts';
import type { EncodedPart } from './writers/protobuf-buffer.ts';

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
  /** Set when a text was cut whose rule has no flag of its own. */
  wasShortened: boolean;
}

export type Read = (input: MappingInput) => JsonValue | undefined;
export type Test = (input: MappingInput) => boolean;
/** Writes the attribute; true when there was something to write. */
export type Write = (input: MappingInput, out: LogRecordWriter) => boolean;

/** One attribute, or several in a row that are derived from the same values. */
export interface Step {
  /** A text of the record that is copied, from this entry; -1 for anything else. */
  readonly copiedEntry: number;
  readonly key: AttributeKey;
  /** Longer texts are not copied. */
  readonly bytesMax: number;
  /** Set when some short values decide what is written. */
  readonly derivation: Derivation<EncodedPart> | undefined;
  /** Does the same for what is copied or derived as for anything else. */
  readonly write: Write;
}

/** Something that records have, by way of a derivation if there is one. */
export interface PlannedValue<Value> {
  readonly derivation: Derivation<Value> | undefined;
  readonly read: (input: MappingInput) => Value;
}

export interface RecordPlan {
  readonly readTimestamp: Read | undefined;
  readonly severity: PlannedValue<Severity>;
  readonly resource: PlannedValue<EncodedResource>;
  readonly steps: readonly Step[];
  readonly writeFlag: (out: LogRecordWriter) => void;
}

export function readPlanned<Value>({ derivation, read }: PlannedValue<Value>, input: MappingInput): Value {
  const cell = derivation?.cellOf(input.tape);
  if (cell === undefined) return read(input);
  cell.value ??= read(input);
  return cell.value;
}

export function writeAttributes({ steps, writeFlag }: RecordPlan, input: MappingInput, out: LogRecordWriter): void {
  const { tape } = input;
  input.wasShortened = false;
  for (const step of steps) {
    const entry = step.copiedEntry;
    if (entry === -1) {
      if (step.derivation === undefined) step.write(input, out);
      else writeDerived(step, step.derivation, input, out);
      continue;
    }
    const start = tape.start(entry);
    const end = tape.end(entry);
    if (end - start <= step.bytesMax) out.utf8(step.key, tape, start, end);
    else step.write(input, out);
  }
  if (input.wasShortened) writeFlag(out);
}

function writeDerived(
  { write }: Step,
  derivation: Derivation<EncodedPart>,
  input: MappingInput,
  out: LogRecordWriter,
): void {
  const cell = derivation.cellOf(input.tape);
  if (cell === undefined) {
    write(input, out);
    return;
  }
  if (out.recall(cell)) return;
  const wasShortened = input.wasShortened;
  input.wasShortened = false;
  write(input, out);
  if (input.wasShortened) return;
  input.wasShortened = wasShortened;
  if (cell.cameBefore) out.keep(cell);
}
