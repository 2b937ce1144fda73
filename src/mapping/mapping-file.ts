/**
 * Reads, checks and merges the layers of a mapping. Reports all mistakes of all layers at once, with their positions.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isCollection, isMap, isNode, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { AgentError, messageOf } from '../model/agent-error.ts';
import { printable } from '../runtime/printable.ts';
import { foundByParser, yamlOptions } from '../runtime/yaml.ts';
import {
  type Condition,
  type Fact,
  type Layer,
  layerSchema,
  type Redaction,
  type ResourceRule,
  type Rule,
  type SeverityRule,
} from './mapping-schema.ts';
import { type RedactionClass, redactionClasses } from './redaction-classes.ts';

/** The complete mapping, merged from all layers. */
export interface Mapping {
  readonly version: string;
  readonly schemaUrl: string | undefined;
  readonly scopeName: string;
  readonly scopeAttributes: ReadonlyMap<string, string>;
  readonly eventName: string;
  readonly unparsed: {
    readonly event: string;
    readonly severity: SeverityRule['value'];
    /** Where an envelope has its list of records. */
    readonly envelope?: string | undefined;
  };
  readonly timestampPaths: readonly string[];
  readonly facts: ReadonlyMap<string, Fact>;
  readonly resource: ReadonlyMap<string, readonly ResourceRule[]>;
  readonly severity: readonly SeverityRule[];
  readonly limits: { readonly textBytes: number; readonly flag: string };
  readonly attributes: ReadonlyMap<string, readonly Rule[]>;
  /** Attributes that a layer removed (`null`), so that the location of an object does not add them either. */
  readonly removedAttributes: ReadonlySet<string>;
  /** By the name of a map: keys that what else is in it cannot crowd out. */
  readonly keep: ReadonlyMap<string, readonly string[]>;
  readonly redact: Readonly<Record<RedactionClass, Redaction>>;
}

/** A layer as it was read. */
interface LayerFile {
  readonly layer: Layer;
  /** Where in the file a path is, for mistakes that only show when layers are merged. */
  placeOf(path: readonly PropertyKey[]): string;
}

/** The package has its mappings in its root, one level above both src/ and dist/. */
const builtInDirectory = fileURLToPath(new URL('../../mappings/', import.meta.url));
const builtInName = /^[a-z0-9-]+$/;
/** The built-in ones have 10 KiB. */
const fileBytesMax = 1_048_576;
/** Reported per layer. */
const mistakesMax = 50;

const hint = 'docs/mapping.md describes the format; `mappings/` in the package holds the built-in files.';

/**
 * @param names built-in names, or paths relative to the working directory; later ones extend or override earlier ones.
 * Throws ERR_MAPPING_FILE with all mistakes.
 */
export function loadMapping(names: readonly string[], workingDirectory: string): Mapping {
  const { mapping, mistakes } = readMapping(names, workingDirectory);
  if (mapping !== undefined && mistakes.length === 0) return mapping;
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  throw new AgentError(
    'ERR_MAPPING_FILE',
    `The mapping has ${count}:\n${mistakes.map((line) => `  ${line}`).join('\n')}`,
    {
      hint,
    },
  );
}

/** What is wrong with the mapping of these layers, for a report of the other settings as well. */
export function mappingMistakes(names: readonly string[], workingDirectory: string): readonly string[] {
  return readMapping(names, workingDirectory).mistakes;
}

function readMapping(
  names: readonly string[],
  workingDirectory: string,
): { readonly mapping: Mapping | undefined; readonly mistakes: readonly string[] } {
  const mistakes: string[] = [];
  const layers = names.flatMap((name) => readLayer(name, workingDirectory, mistakes) ?? []);
  const mapping = mistakes.length === 0 ? mergeLayers(layers, mistakes) : undefined;
  return { mapping, mistakes };
}

function readLayer(name: string, workingDirectory: string, mistakes: string[]): LayerFile | undefined {
  const isBuiltIn = builtInName.test(name);
  const file = isBuiltIn ? `${builtInDirectory}${name}.yaml` : resolve(workingDirectory, name);
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    mistakes.push(
      isBuiltIn
        ? `expected one of the built-in mappings ${builtInNames().join(', ')}, or a path with a / or a ., got ${quote(name)}`
        : `${quote(name)}: expected a readable file (${printable(messageOf(error))})`,
    );
    return undefined;
  }
  const fileName = isBuiltIn ? `${name}.yaml` : name;
  try {
    return parseLayer(fileName, text, mistakes);
  } catch (error) {
    // The parser throws on unresolved and excessive aliases, V8 on nesting that exhausts its stack.
    const got = error instanceof RangeError ? 'more nesting than can be read' : printable(messageOf(error));
    mistakes.push(`${printable(fileName)}: expected YAML, got: ${got}`);
    return undefined;
  }
}

function readText(file: string): string {
  const stats = statSync(file);
  if (!stats.isFile()) throw new Error('it is no regular file');
  if (stats.size > fileBytesMax) throw new Error(`it is longer than ${fileBytesMax} bytes`);
  return readFileSync(file, 'utf8');
}

export function builtInNames(): string[] {
  return readdirSync(builtInDirectory)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

function parseLayer(fileName: string, text: string, mistakes: string[]): LayerFile | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { ...yamlOptions, lineCounter: lines });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${printable(fileName)}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    // Once the stack is exhausted, every open level is an error too.
    const exhausted = document.errors.filter(({ code }) => code === 'RESOURCE_EXHAUSTION');
    const errors = exhausted.length > 0 ? exhausted : document.errors;
    mistakes.push(
      ...errors
        .slice(0, mistakesMax)
        .map((error) => `${place(error.pos[0])}: expected YAML, got: ${printable(foundByParser(error))}`),
    );
    return undefined;
  }
  const content: unknown = document.toJS();
  const result = layerSchema.safeParse(withRuleLists(content));
  if (result.success) return { layer: result.data, placeOf: (path) => place(locate(document.contents, path).offset) };
  const all = result.error.issues.flatMap(mistakesOf);
  const found = all.slice(0, mistakesMax).map(({ path, expected }) => {
    const { offset, value, writtenPath } = locate(document.contents, path);
    const where = printable(writtenPath.map(String).join('.')) || 'the file';
    const got = value === undefined ? 'nothing' : quote(value);
    return { offset, text: `${place(offset)}: ${where}: expected ${expected}, got ${got}` };
  });
  mistakes.push(...found.sort((one, other) => one.offset - other.offset).map(({ text: mistake }) => mistake));
  const more = all.length - found.length;
  if (more > 0) mistakes.push(`${printable(fileName)}: expected no more mistakes, got ${more} more`);
  return undefined;
}

/** An attribute has a list of rules; a file may write a single rule without the list. */
function withRuleLists(content: unknown): unknown {
  if (!isRecord(content)) return content;
  const lists = (['resource', 'attributes'] as const).flatMap((part) => {
    const targets = content[part];
    if (!isRecord(targets)) return [];
    const entries = Object.entries(targets).map(([target, rule]) => [target, isRecord(rule) ? [rule] : rule]);
    return [[part, Object.fromEntries(entries)]];
  });
  return { ...content, ...Object.fromEntries(lists) };
}

interface Mistake {
  readonly path: readonly PropertyKey[];
  readonly expected: string;
}

function mistakesOf(issue: z.core.$ZodIssue): Mistake[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...issue.path, key], expected: `a key of ${issue.message}` }));
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map(({ message }) => ({ path: issue.path, expected: `a key that is ${message}` }));
  }
  return [{ path: issue.path, expected: issue.message }];
}

interface Location {
  readonly offset: number;
  readonly value: unknown;
  /** The path as written, without an omitted list of rules. */
  readonly writtenPath: readonly PropertyKey[];
}

/** The position of the path in the text, as far as it exists. */
function locate(contents: Node | null, path: readonly PropertyKey[]): Location {
  let node: unknown = contents;
  let offset = contents?.range?.[0] ?? 0;
  const writtenPath = path.filter((segment) => {
    const isLeftOut = isMap(node) && segment === 0;
    if (isLeftOut || !isCollection(node)) return !isLeftOut && !isScalar(node);
    const key = isMap(node)
      ? node.items.find((pair) => isScalar(pair.key) && pair.key.value === segment)?.key
      : undefined;
    node = node.get(segment, true);
    offset = (isNode(key) ? key.range?.[0] : isNode(node) ? node.range?.[0] : undefined) ?? offset;
    return true;
  });
  return { offset, value: scalarOf(node), writtenPath };
}

function scalarOf(node: unknown): unknown {
  return isNode(node) ? node.toJSON() : undefined;
}

function mergeLayers(files: readonly LayerFile[], mistakes: string[]): Mapping | undefined {
  const layers = files.map(({ layer }) => layer);
  const last = <Value>(pick: (layer: Layer) => Value | undefined): Value | undefined =>
    layers.map(pick).findLast((value) => value !== undefined);
  const version = last((layer) => layer.version);
  const scopeName = last((layer) => layer.scope?.name);
  const eventName = last((layer) => layer.event);
  const unparsed = last((layer) => layer.unparsed);
  const timestamp = last((layer) => layer.timestamp);
  const severity = last((layer) => layer.severity);
  const limits = last((layer) => layer.limits);
  if (eventName === undefined && timestamp === undefined) {
    const names = builtInNames().filter((name) => name.endsWith('-audit'));
    mistakes.push(
      `the layers: expected ${names.join(' or ')} first, as in ${names[0]},./ours.yaml, got only layers that change a mapping`,
    );
    return undefined;
  }
  const required = { version, 'scope.name': scopeName, event: eventName, unparsed, timestamp, severity, limits };
  for (const [name, value] of Object.entries(required)) {
    if (value === undefined) mistakes.push(`${name}: expected in one of the layers, got nothing`);
  }
  const facts = mergeTargets(layers.map((layer) => layer.facts));
  const attributes = mergeTargets(layers.map((layer) => layer.attributes));
  const keep = mergeKeep(layers);
  for (const file of files) checkConditions(file, facts, mistakes);
  checkKeep(files, mistakes);
  if (limits !== undefined) checkFlags(limits.flag, attributes, mistakes);
  if (version === undefined || scopeName === undefined || eventName === undefined || unparsed === undefined)
    return undefined;
  if (timestamp === undefined || severity === undefined || limits === undefined) return undefined;
  return {
    version,
    schemaUrl: last((layer) => layer.schemaUrl),
    scopeName,
    scopeAttributes: mergeTargets(layers.map((layer) => layer.scope?.attributes ?? {})),
    eventName,
    unparsed,
    timestampPaths: timestamp.from,
    facts,
    resource: mergeTargets(layers.map((layer) => layer.resource)),
    severity,
    limits,
    attributes,
    removedAttributes: new Set(
      layers.flatMap((layer) => Object.keys(layer.attributes)).filter((target) => !attributes.has(target)),
    ),
    keep,
    redact: mergeRedaction(layers),
  };
}

/** By target, in order of first appearance; `null` removes a target. */
function mergeTargets<Value>(parts: readonly Readonly<Record<string, Value | null>>[]): Map<string, Value> {
  const merged = new Map<string, Value>();
  for (const [target, value] of parts.flatMap((part) => Object.entries(part))) {
    if (value === null) merged.delete(target);
    else merged.set(target, value);
  }
  return merged;
}

/** Layers only ever add, as to redaction: a rule's parameter must not be lost because another layer names one too. */
function mergeKeep(layers: readonly Layer[]): Map<string, readonly string[]> {
  const merged = new Map<string, readonly string[]>();
  for (const [target, keys] of layers.flatMap(({ keep }) => Object.entries(keep))) {
    merged.set(target, [...new Set([...(merged.get(target) ?? []), ...keys])]);
  }
  return merged;
}

/** Layers only ever add to redaction, so that an unrelated layer cannot open a leak. */
function mergeRedaction(layers: readonly Layer[]): Record<RedactionClass, Redaction> {
  const merge = (name: RedactionClass): Redaction => {
    const parts = layers.flatMap((layer) => layer.redact[name] ?? []);
    return {
      phrases: parts.flatMap(({ phrases }) => phrases),
      harmlessLastWords: parts.flatMap(({ harmlessLastWords }) => harmlessLastWords),
      fields: parts.flatMap(({ fields }) => fields),
    };
  };
  const [secrets, commands] = redactionClasses;
  return { [secrets]: merge(secrets), [commands]: merge(commands) };
}

function checkConditions(
  { layer: { severity = [], attributes }, placeOf }: LayerFile,
  facts: ReadonlyMap<string, Fact>,
  mistakes: string[],
): void {
  const check = (path: readonly (string | number)[], when: Readonly<Record<string, Condition>> = {}) => {
    for (const name of Object.keys(when).filter((used) => !facts.has(used))) {
      const part = printable(path.slice(0, 2).join('.'));
      const expected = `expected one of the facts ${printable([...facts.keys()].join(', '), 1_000)}`;
      mistakes.push(`${placeOf([...path, 'when', name])}: ${part}.when: ${expected}, got ${quote(name)}`);
    }
  };
  for (const [index, { when }] of severity.entries()) check(['severity', index], when);
  for (const [target, rules] of Object.entries(attributes)) {
    for (const [index, { when }] of (rules ?? []).entries()) check(['attributes', target, index], when);
  }
}

/** Only a map has keys. A later layer may remove or replace the attribute, so any layer with such a map is enough. */
function checkKeep(files: readonly LayerFile[], mistakes: string[]): void {
  const isMap = (target: string) =>
    files.some(({ layer }) => layer.attributes[target]?.some(({ as, value }) => as === 'map' && value === undefined));
  for (const { layer, placeOf } of files) {
    for (const target of Object.keys(layer.keep).filter((name) => !isMap(name))) {
      const expected = 'expected the name of an attribute with `as: map`';
      mistakes.push(`${placeOf(['keep', target])}: keep: ${expected}, got ${quote(target)}`);
    }
  }
}

/** A flag is an attribute too, and must not occur twice in a record. */
function checkFlags(defaultFlag: string, attributes: ReadonlyMap<string, readonly Rule[]>, mistakes: string[]): void {
  const used = new Set([...attributes.keys(), defaultFlag]);
  if (attributes.has(defaultFlag)) mistakes.push(`limits.flag: expected a name of its own, got ${quote(defaultFlag)}`);
  for (const [target, rules] of attributes) {
    for (const flag of new Set(rules.flatMap((rule) => rule.flag ?? []))) {
      const where = `attributes.${printable(target)}.flag`;
      if (used.has(flag)) mistakes.push(`${where}: expected a name of its own, got ${quote(flag)}`);
      used.add(flag);
    }
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Escapes control characters, and shortens long values, which only need to be recognisable. */
function quote(value: unknown): string {
  const lengthMax = 80;
  return printable(JSON.stringify(value) ?? String(value), lengthMax);
}
