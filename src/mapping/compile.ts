/**
 * From the mapping as data to plans for the shapes of records: names and conversions are resolved once, here, and paths and
 * conditions once for each shape.
 */
import { Buffer } from 'node:buffer';
import { BoundedMapWriter, unmeasuredJsonBytes } from './bounded-map.ts';
import { type Conversion, conversions, type Scalar } from './conversions.ts';
import { type Basis, DerivationBook } from './derivation.ts';
import type { Kernel } from './kernel/kernel.ts';
import { type Instruction, Program } from './kernel/program.ts';
import { kinds } from './kernel/tape.ts';
import type { Mapping } from './mapping-file.ts';
import type { LineField, ResourceRule, Rule, SeverityRule } from './mapping-schema.ts';
import { type FactRule, isOfLine, type PlannedRead, Planning } from './planning.ts';
import type { JsonTape } from './record/json-tape.ts';
import type { FoundPaths } from './record/record-paths.ts';
import type { RecordReader } from './record/record-reader.ts';
import type { MappingInput, PlannedValue, Read, RecordPlan, Step, Write } from './record-plan.ts';
import type { ResourceCache } from './resource-cache.ts';
import { type AttributeKey, attributeKey } from './writers/attribute-key.ts';
import type { EncodedResource } from './writers/envelope.ts';
import { type LogRecordWriter, type Severity, severities } from './writers/log-record-writer.ts';

export interface CompiledMapping {
  /** For records that have the values of these paths where this one has them. */
  planRecord(paths: FoundPaths): RecordPlan;
  /** For a line without a record. */
  planLine(): RecordPlan;
}

/** A step, and whether it always writes something. */
interface PlannedStep {
  readonly step: Step;
  readonly isCertain: boolean;
}

/** Undefined when there is nothing to write for the shape. */
type PlanRule = (planning: Planning) => PlannedStep | undefined;

interface CompileContext {
  readonly textBytesMax: number;
  readonly objectIn: (text: string) => JsonTape | undefined;
}

interface PlanAttribute {
  readonly name: string;
  readonly readsLine: boolean;
  readonly planRule: PlanRule;
}

/** An attribute as planned, and what it looks at. */
interface TracedStep {
  readonly name: string;
  readonly step: Step;
  readonly basis: Basis;
}

/** @param reader learns the paths of the mapping. */
export function compileMapping(
  mapping: Mapping,
  kernel: Kernel,
  reader: RecordReader,
  resources: ResourceCache,
): CompiledMapping {
  reader.addPaths(pathsOf(mapping));
  const context = { textBytesMax: mapping.limits.textBytes, objectIn: reader.objectIn };
  const facts = new Map(
    [...mapping.facts].map(([name, { from, as }]): [string, FactRule] => [
      name,
      { from, conversion: conversions[as], isText: as === 'string' },
    ]),
  );
  const attributes = [...mapping.attributes].map(([name, rules]) => ({
    name,
    readsLine: rules.some((rule) => rule.from?.some(isOfLine) === true),
    planRule: compileRules(attributeKey(name), rules, context),
  }));
  const resource = [...mapping.resource.values()].map((rule) => compileResourceRule(rule, context));
  const writeFlag = flagWriter(mapping.limits.flag);
  const derivations = {
    attributes: new DerivationBook<never>(kernel),
    severity: new DerivationBook<Severity>(kernel),
    resource: new DerivationBook<EncodedResource>(kernel),
  };

  const plan = (paths: FoundPaths | undefined, planned: readonly PlanAttribute[]): RecordPlan => {
    const planning = new Planning(paths, paths === undefined ? lineReaders : recordLineReaders, facts);
    const traced = planned.flatMap(({ name, planRule }): TracedStep[] => {
      const { result, basis } = planning.trace(planRule);
      return result === undefined ? [] : [{ name, step: result.step, basis }];
    });
    const steps = withDerivations(traced, derivations.attributes);
    // What was found in the text of one record is planned for this record only.
    const isKept = paths?.signature !== undefined;
    return {
      readTimestamp: planning.read(mapping.timestampPaths)?.read,
      severity: planValue('severity', derivations.severity, planning, () => planSeverity(mapping.severity, planning)),
      resource: planValue('resource', derivations.resource, planning, () => {
        const reads = resource.map((planRead) => planRead(planning));
        return (input) => resources.of(reads.map((read) => read(input)));
      }),
      steps,
      program: isKept
        ? Program.write(
            kernel,
            steps.map(({ instruction }) => instruction),
          )
        : undefined,
      writeFlag,
    };
  };
  return {
    planRecord: (paths) => plan(paths, attributes),
    planLine: () =>
      plan(
        undefined,
        attributes.filter((attribute) => attribute.readsLine),
      ),
  };
}

function planValue<Value>(
  name: string,
  derivations: DerivationBook<Value>,
  planning: Planning,
  planRead: () => PlannedValue<Value>['read'],
): PlannedValue<Value> {
  const { result, basis } = planning.trace(planRead);
  return { derivation: derivations.derive(name, basis), read: result };
}

/** Attributes in a row that look at the same values become one step. A copy alone stays one: nothing is faster. */
function withDerivations(traced: readonly TracedStep[], derivations: DerivationBook<never>): Step[] {
  const groups: [TracedStep, ...TracedStep[]][] = [];
  for (const each of traced) {
    const group = groups.at(-1);
    if (group !== undefined && sameBasis(group[0].basis, each.basis)) group.push(each);
    else groups.push([each]);
  }
  return groups.flatMap((group) => {
    const [{ step, basis }] = group;
    if (group.length === 1 && step.instruction.does !== 'leave') return [step];
    const name = group.map((each) => each.name).join();
    const signature = group.map((each) => each.basis.signature).join();
    const derivation = derivations.derive(name, { ...basis, signature });
    const steps = group.map((each) => each.step);
    if (derivation === undefined) return steps;
    const write: Write = (input, out) => {
      for (const each of steps) each.write(input, out);
      return true;
    };
    const { cells, first, second } = derivation;
    return [{ instruction: { does: 'copyDerived', cells, first, second }, write }];
  });
}

function sameBasis(one: Basis, other: Basis): boolean {
  return one.isComplete && other.isComplete && one.entries.join() === other.entries.join();
}

/** Of all rules, without those of lines. */
function pathsOf({ timestampPaths, facts, resource, attributes }: Mapping): string[] {
  const rules = [...facts.values(), ...resource.values(), ...[...attributes.values()].flat()];
  return [...timestampPaths, ...rules.flatMap(({ from }) => from ?? [])].filter((path) => !isOfLine(path));
}

function planSeverity(rules: readonly SeverityRule[], planning: Planning): RecordPlan['severity']['read'] {
  const possible = rules.flatMap(({ value, when }) => {
    const test = planning.test(when);
    return test === 'never' ? [] : [{ severity: severities[value], test }];
  });
  return (input): Severity => {
    for (const { test, severity } of possible) if (test === 'always' || test(input)) return severity;
    return severities.INFO;
  };
}

/** The first rule that gives something is the attribute. */
function compileRules(key: AttributeKey, rules: readonly Rule[], context: CompileContext): PlanRule {
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

function flagWriter(name: string): (out: LogRecordWriter) => void {
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

function compileResourceRule(
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

const lineReaders: Readonly<Record<LineField, Read>> = {
  digest: ({ line }) => line.digest,
  bucket: ({ line }) => line.origin.bucket,
  key: ({ line }) => line.origin.key,
  fileName: ({ line }) => line.origin.fileName || undefined,
  workspaceId: ({ line }) => line.origin.workspaceId,
  date: ({ line }) => line.origin.date,
  unparsedReason: ({ unparsedReason }) => unparsedReason,
  eventName: ({ eventName }) => eventName,
  lineSize: ({ line, isCut }) => (isCut ? line.sizeBytes : undefined),
  lineCut: ({ isCut }) => (isCut ? true : undefined),
};

/** A line that was cut is no record. */
const { lineSize: _lineSize, lineCut: _lineCut, ...recordLineReaders } = lineReaders;

/** The beginning of the text that fits, without half a character. */
function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text.slice(0, bytesMax));
  if (bytes.length <= bytesMax) return bytes.toString();
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
