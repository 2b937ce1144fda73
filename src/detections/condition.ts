/**
 * The condition of a rule as a tree. `detection-section.ts` makes it of Sigma's text, the backends write it as a query.
 *
 * Comparisons are case-sensitive: Databricks does not vary names and values, and Elasticsearch's keyword fields could not
 * ignore case.
 */

/** A text with `*` and `?` in it: literal parts and wildcards in their order. */
export type Pattern = readonly (string | typeof anyText | typeof anyCharacter)[];

export const anyText = Symbol('any text');
export const anyCharacter = Symbol('any character');

/** What is asked of one field: each list holds alternatives. */
export type FieldTest =
  | { readonly type: 'equals'; readonly field: string; readonly values: readonly string[] }
  | { readonly type: 'matches'; readonly field: string; readonly patterns: readonly Pattern[] }
  /** Anchored, without the `^` and `$` that the rule has. */
  | { readonly type: 'regexp'; readonly field: string; readonly expressions: readonly string[] }
  | { readonly type: 'network'; readonly field: string; readonly networks: readonly string[] }
  | { readonly type: 'compares'; readonly field: string; readonly operator: Comparison; readonly bound: number }
  | { readonly type: 'exists'; readonly field: string };

export type Comparison = 'gt' | 'gte' | 'lt' | 'lte';

export type Condition =
  | FieldTest
  /** Any of these texts, anywhere in the record. */
  | { readonly type: 'keywords'; readonly texts: readonly string[] }
  | { readonly type: 'and' | 'or'; readonly parts: readonly Condition[] }
  | { readonly type: 'not'; readonly part: Condition };

/** `and` and `or` of one part are that part. */
export function joined(type: 'and' | 'or', parts: readonly Condition[]): Condition {
  const flat = parts.flatMap((part) => (part.type === type ? part.parts : [part]));
  const [only] = flat;
  return flat.length === 1 && only !== undefined ? only : { type, parts: flat };
}

export function negated(part: Condition): Condition {
  return part.type === 'not' ? part.part : { type: 'not', part };
}

/** All fields that a condition looks at, each once. */
export function fieldsOf(condition: Condition): string[] {
  switch (condition.type) {
    case 'and':
    case 'or':
      return [...new Set(condition.parts.flatMap(fieldsOf))];
    case 'not':
      return fieldsOf(condition.part);
    case 'keywords':
      return [];
    default:
      return [condition.field];
  }
}

/** Whether any part of the tree is of this type. */
export function contains(condition: Condition, type: Condition['type']): boolean {
  if (condition.type === type) return true;
  if (condition.type === 'not') return contains(condition.part, type);
  return (condition.type === 'and' || condition.type === 'or') && condition.parts.some((part) => contains(part, type));
}
