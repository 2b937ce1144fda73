/**
 * Sigma filters as allow lists: what a filter selects is left out of the rules that it names.
 */
import { parse } from 'yaml';
import { z } from 'zod';
import { type Condition, joined, negated } from './condition.ts';
import type { DetectionRule } from './rule.ts';
import { conditionOf, parseWith } from './rule-file.ts';

export interface RuleFilter {
  readonly fileName: string;
  /** Names or ids. */
  readonly rules: readonly string[];
  /** Selects what is left out. */
  readonly condition: Condition;
  readonly source: string;
}

const text = z.string().min(1);
const schema = z.strictObject({
  title: text,
  id: text.optional(),
  description: text.optional(),
  date: text.optional(),
  modified: text.optional(),
  logsource: z.strictObject({ product: z.literal('databricks'), service: z.literal('audit') }),
  filter: z.record(z.string(), z.unknown()).and(z.object({ rules: z.array(text).min(1), condition: text })),
});

/** @throws Error with every mistake, one a line. */
export function parseFilterFile(fileName: string, source: string): RuleFilter {
  const { filter } = parseWith(schema, parse(source));
  const { rules, ...section } = filter;
  const condition = conditionOf(section);
  // The specification writes `condition: selection` for what is suppressed, pySigma wants `not selection`; both are taken.
  return { fileName, source, rules, condition: condition.type === 'not' ? condition.part : condition };
}

/** @throws Error that names the filter when it is for a rule that is not there: it would be a filter for nothing. */
export function applyFilters(rules: readonly DetectionRule[], filters: readonly RuleFilter[]): DetectionRule[] {
  for (const { fileName, rules: references } of filters) {
    const unknown = references.find((reference) => !rules.some((rule) => isNamed(rule, reference)));
    if (unknown !== undefined)
      throw new Error(`${fileName}: filter.rules: expected the name or id of a rule, got ${unknown}`);
  }
  return rules.map((rule) => {
    const own = filters.filter(({ rules: references }) => references.some((reference) => isNamed(rule, reference)));
    if (own.length === 0) return rule;
    const exceptions = own.map(({ condition }) => negated(condition));
    return { ...rule, condition: joined('and', [rule.condition, ...exceptions]) };
  });
}

function isNamed({ name, references }: DetectionRule, reference: string): boolean {
  return name === reference || references.includes(reference);
}
