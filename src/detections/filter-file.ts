/**
 * Sigma filters as allow lists. The condition of a filter is joined to that of a rule by `and`, as pySigma does it:
 * `not selection` leaves out what is selected.
 */
import { z } from 'zod';
import { type Condition, joined } from './condition.ts';
import { holdsWithoutSearches } from './detection-section.ts';
import type { DetectionRule } from './rule.ts';
import { conditionOf, parseWith, parseYaml } from './rule-file.ts';

export interface RuleFilter {
  readonly fileName: string;
  /** Names or ids, or all rules. */
  readonly rules: readonly string[] | 'any';
  /** What has to hold besides the condition of the rule. */
  readonly condition: Condition;
  readonly source: string;
}

const text = z.string().min(1);
/** What the schemas of Sigma name beside these. It changes nothing about what a filter leaves out. */
const described = [
  ...['id', 'name', 'related', 'taxonomy', 'status', 'description', 'license', 'author', 'references', 'date'],
  ...['modified', 'tags', 'scope', 'fields', 'falsepositives', 'level'],
];
const logSource = z
  .strictObject({
    product: z.literal('databricks').optional(),
    service: z.literal('audit').optional(),
    // In Sigma, a filter is for log sources that have all that its own names.
    category: z.undefined('expected no category, as the rules have none').optional(),
  })
  .refine(({ product, service }) => product ?? service, 'expected product: databricks, service: audit, or both');
const schema = z.strictObject({
  ...Object.fromEntries(described.map((key) => [key, z.unknown().optional()])),
  title: text,
  logsource: logSource,
  filter: z.record(z.string(), z.unknown()).and(
    z.object({
      rules: z.union([z.array(text).min(1), z.literal('any')], 'expected a list of names or ids of rules, or any'),
      condition: text,
    }),
  ),
});

/** @throws Error with every mistake, one a line. */
export function parseFilterFile(fileName: string, source: string): RuleFilter {
  const [document, another] = parseYaml(source);
  if (another !== undefined) throw new Error('expected one filter in a file, got several documents');
  const { filter } = parseWith(schema, document);
  const { rules, ...section } = filter;
  const condition = conditionOf(section);
  const { condition: written, ...searches } = section;
  // The example of the specification writes `condition: selection` for what is suppressed, and pySigma takes it for the opposite.
  if (!holdsWithoutSearches({ searches, condition: written }))
    throw new Error(
      `filter.condition: expected what excludes, such as "condition: not selection", got ${JSON.stringify(written)}. ` +
        'A condition is joined to the rule by `and`, so this one would leave nothing but what the filter selects',
    );
  return { fileName, source, rules, condition };
}

/** @throws Error that names the filter when it is for a rule that is not there: it would be a filter for nothing. */
export function applyFilters(rules: readonly DetectionRule[], filters: readonly RuleFilter[]): DetectionRule[] {
  for (const { fileName, rules: named } of filters) {
    const unknown = named === 'any' ? undefined : named.find((reference) => !rules.some(isNamed(reference)));
    if (unknown === undefined) continue;
    const counted = rules.find(({ references }) => references.includes(unknown));
    const hint =
      counted === undefined ? '' : `, the id of a correlation; Sigma filters the rule that it counts, ${counted.name}`;
    throw new Error(`${fileName}: filter.rules: expected the name or id of a rule, got ${unknown}${hint}`);
  }
  return rules.map((rule) => {
    const own = filters.filter(({ rules: named }) => named === 'any' || named.some((name) => isNamed(name)(rule)));
    return { ...rule, condition: joined('and', [rule.condition, ...own.map(({ condition }) => condition)]) };
  });
}

/** By what the document with the condition is called; correlations have an id of their own behind it. */
function isNamed(reference: string) {
  return ({ name, references: [id] }: DetectionRule) => name === reference || id === reference;
}
