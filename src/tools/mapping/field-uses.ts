/**
 * Shows which fields of records a mapping turns into attributes, and which remain only in the body.
 */

import type { Mapping } from '../../mapping/index.ts';
import { type JsonObject, type JsonValue, toObject } from '../../runtime/exact-json.ts';

export interface FieldUse {
  /** A path such as `userIdentity.email`; `requestParams.*` covers everything below. */
  readonly field: string;
  /** Attributes, `resource <name>`, `Timestamp` and `condition <fact>`; empty if the field remains only in the body. */
  readonly targets: readonly string[];
  /** The number of records that have it. */
  recordCount: number;
  readonly example: string;
}

/** In order of first appearance. */
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
  /** Reads objects as a whole. */
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
  for (const [target, rules] of mapping.resource) for (const { from } of rules) add(`resource ${target}`, from);
  for (const [name, { from }] of mapping.facts) add(`condition ${name}`, from);
  return readers;
}

interface Field {
  readonly segments: readonly string[];
  readonly value: JsonValue | undefined;
}

/** Leaves, and values that the mapping reads as a whole. Descends into embedded JSON where the mapping does. */
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

/** Compares up to the length of the shorter path. */
function matches(path: Reader['path'], segments: readonly string[]): boolean {
  return path.slice(0, segments.length).every((spellings, index) => spellings.includes(segments[index] ?? ''));
}

function exampleOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
