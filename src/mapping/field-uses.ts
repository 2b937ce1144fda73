/**
 * Which fields of records a mapping makes attributes of, and which stay in the body alone.
 */

import type { Mapping } from './mapping-file.ts';
import { type JsonObject, type JsonValue, toObject } from './record/exact-json.ts';

export interface FieldUse {
  /** A path such as `userIdentity.email`; `requestParams.*` stands for all that is below. */
  readonly field: string;
  /** What is made from it: attributes, `resource <name>`, `Timestamp`, and `condition <fact>`. Empty when it stays in the body. */
  readonly targets: readonly string[];
  /** Records that have it. */
  recordCount: number;
  readonly example: string;
}

/** In the order in which the fields are met. */
export function fieldUsesOf(mapping: Mapping, records: readonly JsonObject[]): FieldUse[] {
  const readers = readersOf(mapping);
  const uses = new Map<string, FieldUse>();
  for (const record of records) {
    const inRecord = new Set<string>();
    for (const { segments, value } of fieldsOf(record, [], readers)) {
      const covering = readers.filter((reader) => covers(reader, segments));
      const whole = covering.find(({ path }) => path.length < segments.length);
      const field = whole === undefined ? segments.join('.') : `${segments.slice(0, whole.path.length).join('.')}.*`;
      if (inRecord.has(field)) continue;
      inRecord.add(field);
      const targets = [...new Set(covering.map(({ target }) => target))];
      const use = uses.get(field) ?? { field, targets, recordCount: 0, example: exampleOf(value) };
      use.recordCount++;
      uses.set(field, use);
    }
  }
  return [...uses.values()];
}

interface Reader {
  readonly target: string;
  /** Spellings by segment. */
  readonly path: readonly (readonly string[])[];
  /** Takes objects with all that is in them. */
  readonly takesObjects: boolean;
}

function readersOf(mapping: Mapping): Reader[] {
  const readers: Reader[] = [];
  const add = (target: string, from: readonly string[] | undefined, as?: string) => {
    for (const path of from ?? []) {
      if (path.startsWith('$')) continue;
      const segments = path.split('.').map((segment) => segment.split('|'));
      readers.push({ target, path: segments, takesObjects: as === 'map' || as === 'json_text' });
    }
  };
  add('Timestamp', mapping.timestampPaths);
  for (const [target, rules] of mapping.attributes) for (const { from, as } of rules) add(target, from, as);
  for (const [target, { from }] of mapping.resource) add(`resource ${target}`, from);
  for (const [name, { from }] of mapping.facts) add(`condition ${name}`, from);
  return readers;
}

interface Field {
  readonly segments: readonly string[];
  readonly value: JsonValue | undefined;
}

/** Leaves, and what the mapping takes whole. An object in a text is looked into where the mapping does. */
function* fieldsOf(object: JsonObject, above: readonly string[], readers: readonly Reader[]): Generator<Field> {
  for (const [key, value] of Object.entries(object)) {
    const segments = [...above, key];
    const isText = typeof value === 'string';
    const goesDeeper = readers.some(({ path }) => path.length > segments.length && matches(path, segments));
    const inner = isText && !goesDeeper ? undefined : toObject(value);
    if (inner === undefined || Object.keys(inner).length === 0) yield { segments, value };
    else yield* fieldsOf(inner, segments, readers);
  }
}

function covers({ path, takesObjects }: Reader, segments: readonly string[]): boolean {
  if (path.length > segments.length || (path.length < segments.length && !takesObjects)) return false;
  return matches(path, segments);
}

/** As far as both go. */
function matches(path: Reader['path'], segments: readonly string[]): boolean {
  return path.slice(0, segments.length).every((spellings, index) => spellings.includes(segments[index] ?? ''));
}

function exampleOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
