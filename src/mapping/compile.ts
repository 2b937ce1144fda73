/**
 * From the mapping as data to straight closures: paths, names and conditions are resolved once, here.
 */
import { Buffer } from 'node:buffer';
import type { IdentifiedLine } from '../model/line.ts';
import { BoundedMapWriter } from './bounded-map.ts';
import { conversions, type Scalar } from './conversions.ts';
import type { Mapping } from './mapping-file.ts';
import type { Condition, Fact, LineField, ResourceRule, Rule } from './mapping-schema.ts';
import type { JsonValue } from './record/exact-json.ts';
import { type JsonTape, kinds } from './record/json-tape.ts';
import type { RecordPaths, RecordValues } from './record/record-paths.ts';
import type { RecordReader } from './record/record-reader.ts';
import { type AttributeKey, attributeKey } from './writers/attribute-key.ts';
import { type LogRecordWriter, type Severity, severities } from './writers/log-record-writer.ts';

/** What the closures look at. */
export interface MappingInput {
  readonly line: IdentifiedLine;
  readonly occurrence: number;
  readonly isCut: boolean;
  /** A constant text without content of the record. */
  unparsedReason: string | undefined;
  /** Of the record that is being written. */
  eventName: string;
  /** Of the record's paths. */
  readonly values: RecordValues;
  /** By the index of the fact. */
  readonly facts: (Scalar | undefined)[];
  /** Set when a text was cut whose rule has no flag of its own. */
  wasShortened: boolean;
}

type Read = (input: MappingInput) => JsonValue | undefined;
type Test = (input: MappingInput) => boolean;
/** Writes the attribute; true when there was something to write. */
type Write = (input: MappingInput, out: LogRecordWriter) => boolean;

export interface ResourceAttribute {
  readonly key: string;
  readonly read: (input: MappingInput) => string | undefined;
}

export interface CompiledMapping {
  readonly readTimestamp: Read;
  readonly readFacts: (input: MappingInput) => void;
  readonly severityOf: (input: MappingInput) => Severity;
  readonly resource: readonly ResourceAttribute[];
  readonly writeAttributes: (input: MappingInput, out: LogRecordWriter) => void;
  /** What is known of a line without its record. */
  readonly writeLineAttributes: (input: MappingInput, out: LogRecordWriter) => void;
}

/** @param reader learns the paths of the mapping. */
export function compileMapping(mapping: Mapping, { paths, objectIn }: RecordReader): CompiledMapping {
  const factNames = [...mapping.facts.keys()];
  const facts = [...mapping.facts.values()].map((fact) => compileFact(fact, paths));
  const context: CompileContext = {
    factNames,
    textBytesMax: mapping.limits.textBytes,
    paths,
    objectIn,
  };
  const severityRules = mapping.severity.map(({ value, when }) => ({
    severity: severities[value],
    test: compileTest(when, factNames),
  }));
  const attributes = [...mapping.attributes].map(([target, rules]) => ({
    readsLine: rules.some((rule) => rule.from?.some(isOfLine) === true),
    write: compileRules(target, rules, context),
  }));
  const writeFlag = flagWriter(mapping.limits.flag);

  return {
    readTimestamp: readFirst(mapping.timestampPaths, paths),
    readFacts(input) {
      for (let fact = 0; fact < facts.length; fact++) input.facts[fact] = facts[fact]?.(input);
    },
    severityOf(input) {
      for (const { test, severity } of severityRules) if (test(input)) return severity;
      return severities.INFO;
    },
    resource: [...mapping.resource].map(([key, rule]) => ({
      key,
      read: compileResourceRule(rule, context),
    })),
    writeAttributes: writeAll(
      attributes.map(({ write }) => write),
      writeFlag,
    ),
    writeLineAttributes: writeAll(
      attributes.flatMap(({ readsLine, write }) => (readsLine ? [write] : [])),
      writeFlag,
    ),
  };
}

function compileFact({ from, as }: Fact, paths: RecordPaths): (input: MappingInput) => Scalar | undefined {
  const read = readFirst(from, paths);
  const { convert } = conversions[as];
  return (input) => {
    const value = read(input);
    return value === undefined ? undefined : convert(value, input);
  };
}

interface CompileContext {
  readonly factNames: readonly string[];
  readonly textBytesMax: number;
  readonly paths: RecordPaths;
  readonly objectIn: (text: string) => JsonTape | undefined;
}

function writeAll(
  writes: readonly Write[],
  writeFlag: (out: LogRecordWriter) => void,
): CompiledMapping['writeAttributes'] {
  return (input, out) => {
    input.wasShortened = false;
    for (const write of writes) write(input, out);
    if (input.wasShortened) writeFlag(out);
  };
}

/** The first rule that gives something is the attribute. */
function compileRules(target: string, rules: readonly Rule[], context: CompileContext): Write {
  const writes = rules.map((rule) => compileRule(attributeKey(target), rule, context));
  const [only] = writes;
  if (writes.length === 1 && only !== undefined) return only;
  return (input, out) => {
    for (const write of writes) if (write(input, out)) return true;
    return false;
  };
}

function compileRule(key: AttributeKey, rule: Rule, context: CompileContext): Write {
  const write = compileValue(key, rule, context);
  if (rule.when === undefined) return write;
  const test = compileTest(rule.when, context.factNames);
  return (input, out) => test(input) && write(input, out);
}

function compileValue(key: AttributeKey, rule: Rule, context: CompileContext): Write {
  const { value, from = [], as, limits, flag, distinctNames } = rule;
  if (value !== undefined) {
    return (_input, out) => {
      writeScalar(key, value, out);
      return true;
    };
  }
  const shortened = flag === undefined ? markShortened : flagWriter(flag);
  if (as === 'map') return compileMap(key, from, { limits, distinctNames }, shortened, context);
  const read = readFirst(from, context.paths);
  const { type, convert } = conversions[as];
  if (type === 'string') {
    const bytesMax = limits?.bytes ?? context.textBytesMax;
    const writeText = compileText(key, read, convert, bytesMax, shortened);
    return as === 'string' ? compileCopy(key, from, bytesMax, writeText, context) : writeText;
  }
  return (input, out) => {
    const source = read(input);
    const converted = source === undefined ? undefined : convert(source, input);
    if (converted === undefined) return false;
    writeScalar(key, converted, out);
    return true;
  };
}

type Shortened = (out: LogRecordWriter, input: MappingInput) => void;

/** A text that is sent as it stands in the line is copied from there. */
function compileCopy(
  key: AttributeKey,
  from: readonly string[],
  bytesMax: number,
  writeText: Write,
  { paths }: CompileContext,
): Write {
  if (from.some(isOfLine)) return writeText;
  const candidates = from.map((path) => paths.indexOf(path));
  return (input, out) => {
    const { values } = input;
    const path = values.firstPath(candidates);
    if (path === undefined) return false;
    const [tape, entry] = [values.tape(path), values.entry(path)];
    const [start, end] = [tape.start(entry), tape.end(entry)];
    if (tape.kind(entry) !== kinds.text || end - start > bytesMax) return writeText(input, out);
    out.utf8(key, tape, start, end);
    return true;
  };
}

function compileText(
  key: AttributeKey,
  read: Read,
  convert: (value: JsonValue, input: MappingInput) => Scalar | undefined,
  bytesMax: number,
  shortened: Shortened,
): Write {
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
  { paths, objectIn }: CompileContext,
): Write {
  const { leaves = 64, bytes = 32_768, depth = 8 } = limits ?? {};
  const map = new BoundedMapWriter({ leaves, bytes, depth }, distinctNames);
  const candidates = from.map((path) => paths.indexOf(path));
  return (input, out) => {
    const { values } = input;
    const path = values.firstPath(candidates);
    if (path === undefined) return false;
    const [tape, entry] = [values.tape(path), values.entry(path)];
    if (tape.kind(entry) === kinds.object) {
      if (!map.write(key, tape, entry, out)) shortened(out, input);
      return true;
    }
    const text = values.value(path);
    const inner = typeof text === 'string' ? objectIn(text) : undefined;
    if (inner === undefined) return false;
    if (!map.write(key, inner, 0, out)) shortened(out, input);
    return true;
  };
}

function markShortened(_out: LogRecordWriter, input: MappingInput): void {
  input.wasShortened = true;
}

function flagWriter(name: string): (out: LogRecordWriter) => void {
  const key = attributeKey(name);
  return (out) => out.boolean(key, true);
}

function writeScalar(key: AttributeKey, value: Scalar, out: LogRecordWriter): void {
  if (typeof value === 'string') out.string(key, value);
  else if (typeof value === 'boolean') out.boolean(key, value);
  else out.integer(key, value);
}

function compileTest(when: Readonly<Record<string, Condition>> | undefined, factNames: readonly string[]): Test {
  const tests = Object.entries(when ?? {}).map(([name, condition]) =>
    compileCondition(factNames.indexOf(name), condition),
  );
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  return (input) => tests.every((test) => test(input));
}

function compileCondition(fact: number, condition: Condition): Test {
  if (condition === 'present') return (input) => input.facts[fact] !== undefined;
  if (condition === 'absent') return (input) => input.facts[fact] === undefined;
  if (Array.isArray(condition)) {
    const values = new Set<Scalar>(condition);
    return (input) => values.has(input.facts[fact] ?? '');
  }
  const { from, to } = condition;
  return (input) => {
    const value = input.facts[fact];
    return typeof value === 'number' && value >= from && value <= to;
  };
}

function compileResourceRule(
  { from, as, value }: ResourceRule,
  { paths, textBytesMax }: CompileContext,
): ResourceAttribute['read'] {
  if (value !== undefined) return () => value;
  const read = readFirst(from ?? [], paths);
  const { convert } = conversions[as];
  return (input) => {
    const source = read(input);
    const text = source === undefined ? undefined : convert(source, input)?.toString();
    return text === undefined || text.length * 3 <= textBytesMax ? text : cutToBytes(text, textBytesMax);
  };
}

/** The first path with a value. */
function readFirst(from: readonly string[], paths: RecordPaths): Read {
  const reads = from.map((path) => compilePath(path, paths));
  const [first, second] = reads;
  if (first !== undefined && second === undefined) return first;
  return (input) => {
    for (const read of reads) {
      const value = read(input);
      if (value !== undefined) return value;
    }
    return undefined;
  };
}

function compilePath(path: string, paths: RecordPaths): Read {
  if (isOfLine(path)) return lineReaders[path.slice(1) as LineField];
  const index = paths.indexOf(path);
  return ({ values }) => values.value(index);
}

/** Such as `$digest`: what is known of the line, and not from its record. */
function isOfLine(path: string): boolean {
  return path.startsWith('$');
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

/** The beginning of the text that fits, without half a character. */
function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text.slice(0, bytesMax));
  if (bytes.length <= bytesMax) return bytes.toString();
  let end = bytesMax;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
