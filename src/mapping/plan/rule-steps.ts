/**
 * From the rules of an attribute to the step that writes it: in JavaScript for whatever the record is, and as an instruction of the
 * kernel where that can do it.
 */
import { Buffer } from 'node:buffer';
import { type Conversion, conversions, type Scalar } from '../conversions.ts';
import type { Instruction } from '../kernel/program.ts';
import { kinds } from '../kernel/tape.ts';
import type { ResourceRule, Rule } from '../mapping-schema.ts';
import type { JsonTape } from '../record/json-tape.ts';
import type { AttributeKey } from '../writers/attribute-key.ts';
import { attributeKey } from '../writers/attribute-key.ts';
import type { LogRecordWriter } from '../writers/log-record-writer.ts';
import { BoundedMapWriter, unmeasuredJsonBytes } from './bounded-map.ts';
import type { PlannedRead, Planning } from './planning.ts';
import type { MappingInput, Read, Step, Write } from './record-plan.ts';

/** A step, and whether it always writes something. */
export interface PlannedStep {
  readonly step: Step;
  readonly isCertain: boolean;
}

/** Undefined when there is nothing to write for the shape. */
export type PlanRule = (planning: Planning) => PlannedStep | undefined;

export interface CompileContext {
  readonly textBytesMax: number;
  readonly objectIn: (text: string) => JsonTape | undefined;
}

/** The first rule that gives something is the attribute. */
export function compileRules(key: AttributeKey, rules: readonly Rule[], context: CompileContext): PlanRule {
  const planRules = rules.map((rule) => compileRule(key, rule, context));
  return (planning) => {
    const candidates: PlannedStep[] = [];
    for (const planRule of planRules) {
      const planned = planRule(planning);
      if (planned !== undefined) candidates.push(planned);
      if (planned?.isCertain === true) break;
    }
    const [first, second] = candidates;
    if (second === undefined) return first;
    const writes = candidates.map(({ step }) => step.write);
    return possibly((input, out) => {
      for (const write of writes) if (write(input, out)) return true;
      return false;
    });
  };
}

function compileRule(key: AttributeKey, rule: Rule, context: CompileContext): PlanRule {
  const planValue = compileValue(key, rule, context);
  const { when } = rule;
  if (when === undefined) return planValue;
  return (planning) => {
    const test = planning.test(when);
    const planned = test === 'never' ? undefined : planValue(planning);
    if (planned === undefined || test === 'never' || test === 'always') return planned;
    const { write } = planned.step;
    return possibly((input, out) => test(input) && write(input, out));
  };
}

function compileValue(key: AttributeKey, rule: Rule, context: CompileContext): PlanRule {
  const { value, from = [], as, limits, flag, distinctNames } = rule;
  if (value !== undefined)
    return () => ({ step: { instruction: leave, write: constantWriter(key, value) }, isCertain: true });
  const shortened = flag === undefined ? markShortened : flagWriter(flag);
  if (as === 'map') return compileMap(key, from, { limits, distinctNames }, shortened, context);
  const conversion = conversions[as];
  if (conversion.type === 'string') {
    const bytesMax = limits?.bytes ?? context.textBytesMax;
    return compileText(key, from, { as, conversion, bytesMax, shortened });
  }
  const { convert } = conversion;
  return (planning) => {
    const planned = planning.read(from);
    if (planned === undefined) return undefined;
    const { read } = planned;
    return possibly((input, out) => {
      const source = read(input);
      const converted = source === undefined ? undefined : convert(source, input);
      if (converted === undefined) return false;
      writeScalar(key, converted, out);
      return true;
    });
  };
}

type Shortened = (out: LogRecordWriter, input: MappingInput) => void;

interface TextRule {
  readonly conversion: Conversion;
  readonly as: Exclude<Rule['as'], 'map'>;
  readonly bytesMax: number;
  readonly shortened: Shortened;
}

function compileText(key: AttributeKey, from: readonly string[], rule: TextRule): PlanRule {
  return (planning) => {
    const planned = planning.read(from);
    if (planned === undefined) return undefined;
    // Which occurrence a line is belongs to the line; and results hardly come again.
    if (rule.as === 'record_uid' || rule.as === 'json_text') planning.looksBeyond();
    const write = textWriter(key, planned.read, rule);
    const instruction = instructionFor(planned, rule, key.text, planning);
    if (instruction === undefined) return possibly(write);
    return { step: { instruction, write }, isCertain: true };
  };
}

/** Undefined for a text that the kernel cannot copy. */
function instructionFor(
  { entry, field }: PlannedRead,
  { as, bytesMax }: TextRule,
  key: string,
  planning: Planning,
): Instruction | undefined {
  if (as === 'record_uid' && field === 'digest' && bytesMax >= digestBytes) return { does: 'copyDigest', key };
  if (entry === undefined || (as !== 'string' && as !== 'json_text')) return undefined;
  const kind = planning.kind(entry);
  if (kind === kinds.text) return { does: 'copyText', entry, key, bytesMax };
  return kind === kinds.escapedText ? { does: 'copyEscapedText', entry, key, bytesMax } : undefined;
}

function textWriter(key: AttributeKey, read: Read, { conversion, bytesMax, shortened }: TextRule): Write {
  const { convert } = conversion;
  return (input, out) => {
    const source = read(input);
    if (source === undefined) return false;
    const text = convert(source, input);
    if (typeof text !== 'string') return false;
    if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) {
      out.string(key, text);
    } else {
      out.string(key, cutToBytes(text, bytesMax));
      shortened(out, input);
    }
    return true;
  };
}

function compileMap(
  key: AttributeKey,
  from: readonly string[],
  { limits, distinctNames }: Pick<Rule, 'limits' | 'distinctNames'>,
  shortened: Shortened,
  { objectIn }: CompileContext,
): PlanRule {
  const { leaves = 64, bytes = 32_768, depth = 8 } = limits ?? {};
  const map = new BoundedMapWriter({ leaves, bytes, depth }, distinctNames);
  return (planning) => {
    const planned = planning.read(from);
    if (planned === undefined) return undefined;
    const { entry, read } = planned;
    if (entry !== undefined && planning.kind(entry) === kinds.object) {
      const write: Write = (input, out) => {
        if (!map.write(key, input.tape, entry, out)) shortened(out, input);
        return true;
      };
      const mapLimits = { jsonBytesMax: unmeasuredJsonBytes(bytes), leavesMax: leaves, depthMax: depth };
      const instruction: Instruction =
        distinctNames === true ? leave : { does: 'copyMap', entry, key: key.text, limits: mapLimits };
      return { step: { instruction, write }, isCertain: true };
    }
    return possibly((input, out) => {
      const text = read(input);
      const inner = typeof text === 'string' ? objectIn(text) : undefined;
      if (inner === undefined) return false;
      if (!map.write(key, inner, 0, out)) shortened(out, input);
      return true;
    });
  };
}

function markShortened(_out: LogRecordWriter, input: MappingInput): void {
  input.wasShortened = true;
}

export function flagWriter(name: string): (out: LogRecordWriter) => void {
  const key = attributeKey(name);
  return (out) => out.boolean(key, true);
}

const leave: Instruction = { does: 'leave' };
/** Of SHA-256 in hexadecimal. */
const digestBytes = 64;

function possibly(write: Write): PlannedStep {
  return { step: { instruction: leave, write }, isCertain: false };
}

function constantWriter(key: AttributeKey, value: Scalar): Write {
  return (_input, out) => {
    writeScalar(key, value, out);
    return true;
  };
}

function writeScalar(key: AttributeKey, value: Scalar, out: LogRecordWriter): void {
  if (typeof value === 'string') out.string(key, value);
  else if (typeof value === 'boolean') out.boolean(key, value);
  else out.integer(key, value);
}

export function compileResourceRule(
  { from, as, value }: ResourceRule,
  { textBytesMax }: CompileContext,
): (planning: Planning) => (input: MappingInput) => string | undefined {
  if (value !== undefined) return () => () => value;
  const { convert } = conversions[as];
  return (planning) => {
    const read = planning.read(from ?? [])?.read ?? (() => undefined);
    return (input) => {
      const source = read(input);
      const text = source === undefined ? undefined : convert(source, input)?.toString();
      return text === undefined || text.length * 3 <= textBytesMax ? text : cutToBytes(text, textBytesMax);
    };
  };
}

/** The beginning of the text that fits, without half a character. */
function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text.slice(0, bytesMax));
  if (bytes.length <= bytesMax) return bytes.toString();
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
