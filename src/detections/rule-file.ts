/**
 * Reads a file of detections/rules/: a Sigma rule, and the correlation that counts what it finds, if there is one. Whatever
 * this does not know is refused by name.
 */
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { foundByParser, yamlOptions } from '../runtime/yaml.ts';
import type { Condition } from './condition.ts';
import { parseDetection } from './detection-section.ts';
import { type DetectionRule, type Finding, formatNames, levels, parseTimespan, type Timespan } from './rule.ts';

const text = z.string().min(1);
const texts = z.array(text).min(1);
const timespan = text.transform((value, context): Timespan => {
  const parsed = parseTimespan(value);
  if (parsed !== undefined) return parsed;
  context.addIssue({ code: 'custom', message: `expected a time such as 90m, 1h or 14d, got ${value}` });
  return z.NEVER;
});
const logSource = z.strictObject({
  product: z.literal('databricks'),
  service: z.literal('audit'),
  definition: text.optional(),
});

/** What a rule, or the correlation in its place, says of itself. */
const about = {
  title: text.max(256),
  id: z.uuid(),
  status: z.enum(['stable', 'test', 'experimental', 'deprecated']),
  description: text,
  references: texts.optional(),
  author: text,
  date: text,
  modified: text.optional(),
  tags: texts,
  falsepositives: texts,
  level: z.enum(levels),
  fields: texts.optional(),
  // Keys of our own, as the specification allows.
  triage: texts,
  regression_tests_path: text.optional(),
  requires: text.optional(),
  limitations: text.optional(),
  not_on: z.partialRecord(z.enum(formatNames), text).optional(),
};
const search = {
  name: z.string().regex(/^databricks_[a-z0-9_]+$/),
  logsource: logSource,
  detection: z.record(z.string(), z.unknown()).and(z.object({ condition: text })),
};
const ruleSchema = z.strictObject({
  ...about,
  ...search,
  license: text.optional(),
  new_terms: z.strictObject({ fields: texts.max(3), history: timespan }).optional(),
});
/** In front of a correlation, which says the rest. */
const countedRuleSchema = z.strictObject({
  title: text.max(256),
  id: z.uuid(),
  status: about.status,
  ...search,
});
const correlation = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('event_count'),
    rules: z.array(text).length(1),
    'group-by': texts,
    timespan,
    condition: z.strictObject({ gte: z.int().min(1) }),
  }),
  z.strictObject({
    type: z.literal('value_count'),
    rules: z.array(text).length(1),
    'group-by': texts,
    timespan,
    condition: z.strictObject({ field: text, gte: z.int().min(1) }),
  }),
]);
const correlationSchema = z.strictObject({ ...about, correlation });

type About = Omit<z.infer<typeof correlationSchema>, 'correlation'>;

/**
 * @param fileName without its folder.
 * @throws Error with every mistake, one a line.
 */
export function parseRuleFile(fileName: string, source: string): DetectionRule {
  const documents = parseYaml(source);
  if (documents.length === 0 || documents.length > 2)
    throw new Error('expected one document, or a rule and its correlation');
  const [first, second] = documents;
  const slug = fileName
    .replace(/^databricks_/, '')
    .replace(/\.yml$/, '')
    .replaceAll('_', '-');
  if (second === undefined) {
    const rule = parseWith(ruleSchema, first);
    return {
      ...described(slug, source, rule),
      ...found(rule.name, [rule.id], rule.detection),
      finding: findingOf(rule),
    };
  }
  const rule = parseWith(countedRuleSchema, first);
  const counting = parseWith(correlationSchema, second);
  const { correlation: counted } = counting;
  if (counted.rules[0] !== rule.name)
    throw new Error(`correlation.rules: expected ${rule.name}, got ${counted.rules[0]}`);
  return {
    ...described(slug, source, counting),
    ...found(rule.name, [rule.id, counting.id], rule.detection),
    finding: {
      ...(counted.type === 'value_count'
        ? { type: counted.type, field: counted.condition.field }
        : { type: counted.type }),
      groupBy: counted['group-by'],
      timespan: counted.timespan,
      min: counted.condition.gte,
    },
  };
}

/** All documents of a file. */
export function parseYaml(source: string): unknown[] {
  const documents = parseAllDocuments(source, yamlOptions);
  // Without any, it is an object of another kind.
  if (!Array.isArray(documents)) return [];
  const problem = documents.flatMap(({ errors }) => errors)[0];
  if (problem !== undefined) throw new Error(`expected YAML, got: ${foundByParser(problem)}`);
  return documents.map((document) => document.toJS() as unknown);
}

function described(slug: string, source: string, rule: About) {
  return {
    slug,
    source,
    id: rule.id,
    title: rule.title,
    description: rule.description.trim(),
    level: rule.level,
    tactics: rule.tags.flatMap((tag) => /^attack\.([a-z-]+)$/.exec(tag)?.[1] ?? []),
    techniques: rule.tags.flatMap((tag) => /^attack\.(t[\d.]+)$/.exec(tag)?.[1]?.toUpperCase() ?? []),
    falsePositives: rule.falsepositives,
    triage: rule.triage,
    requires: rule.requires,
    limitations: rule.limitations,
    notOn: rule.not_on ?? {},
    fields: rule.fields ?? [],
  };
}

function found(name: string, references: readonly string[], detection: z.infer<typeof ruleSchema>['detection']) {
  return { name, references, condition: conditionOf(detection) };
}

/** Of `detection` in rules and `filter` in filters. */
export function conditionOf({ condition, ...searches }: { readonly condition: string }): Condition {
  return parseDetection({ searches, condition });
}

function findingOf({ new_terms: newTerms }: z.infer<typeof ruleSchema>): Finding {
  return newTerms === undefined ? { type: 'event' } : { type: 'new_terms', ...newTerms };
}

/** @throws Error with every mistake, one a line. */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Error(
    parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the document'}: ${message}`).join('\n'),
  );
}
