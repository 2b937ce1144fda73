/**
 * What the mapping comes to for the records of one shape: steps that write an attribute each, and the same as a program of the
 * kernel, which copies what can be copied and leaves the other steps.
 */
import type { IdentifiedLine } from '../../model/line.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Instruction, Program } from '../kernel/program.ts';
import type { JsonValue } from '../record/exact-json.ts';
import type { JsonTape } from '../record/json-tape.ts';
import type { EncodedResource } from '../writers/envelope.ts';
import type { AttributeComposer, LogRecordWriter, Severity } from '../writers/log-record-writer.ts';
import type { Derivation } from './derivation.ts';

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
  /** What the kernel does in place of it. */
  readonly instruction: Instruction;
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
  /** The same for the kernel. */
  readonly program: Program | undefined;
  readonly writeFlag: (out: LogRecordWriter) => void;
}

export function readPlanned<Value>({ derivation, read }: PlannedValue<Value>, input: MappingInput): Value {
  return derivation === undefined ? read(input) : derivation.of(input, read);
}

export function writeAttributes(plan: RecordPlan, input: MappingInput, out: LogRecordWriter): void {
  const { steps, program, writeFlag } = plan;
  input.wasShortened = false;
  if (program === undefined || out.composer === undefined) for (const { write } of steps) write(input, out);
  else composeAttributes(program, steps, input, out, out.composer);
  if (input.wasShortened) writeFlag(out);
}

/** The kernel goes on behind each step that it leaves. */
function composeAttributes(
  program: Program,
  steps: readonly Step[],
  input: MappingInput,
  out: LogRecordWriter,
  composer: AttributeComposer,
): void {
  const { kernel } = program;
  for (
    let left = composer.compose(kernel, program.first);
    left !== 0;
    left = composer.compose(kernel, program.next(left))
  ) {
    const step = steps[program.indexOf(left)] as Step;
    const cell = kernel.missedCell;
    if (cell === 0) step.write(input, out);
    else writeKept(step, cell, kernel, input, out, composer);
  }
}

/** What is written for the values of the cell is kept, unless a flag belongs to it. */
function writeKept(
  { write }: Step,
  cell: number,
  kernel: Kernel,
  input: MappingInput,
  out: LogRecordWriter,
  composer: AttributeComposer,
): void {
  const { wasShortened } = input;
  const start = composer.writtenBytes;
  input.wasShortened = false;
  write(input, out);
  if (input.wasShortened) return;
  input.wasShortened = wasShortened;
  kernel.keep(cell, composer.writtenFrom(start));
}
