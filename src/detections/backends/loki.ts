/**
 * Conditions as LogQL: filters on the labels of a record, which structured metadata becomes in a query.
 *
 * Seen on Loki 3.7.8, and the reason for each form:
 * - A regular expression on a label is not always anchored (`foo.*`, `.*foo`, alternatives that begin alike;
 *   github.com/grafana/loki/issues/23892). With `^(?:...)$` written out it is. `.` is no line break without `s`.
 * - There is no `not`, so it is pushed down to the tests. `label!=` holds for a record without the label, as Sigma wants;
 *   `!= ip()` does not.
 * - A comparison with a number is an error of the whole query once a single record holds a text there, unless a stage after it
 *   drops the lines with an error. It is false for a record without the label, also when negated.
 */
import { type Condition, contains, type FieldTest, type Pattern } from '../condition.ts';
import type { Attribute } from '../fields.ts';
import { checkAddresses, isNumeric, type QueryBackend, Refusal, writePattern } from './backend.ts';

type AttributeOf = (field: string) => Attribute;

export const loki: QueryBackend & { query(condition: Condition, attributeOf: AttributeOf): string } = {
  name: 'Loki',
  fieldName: labelName,
  query(condition, attributeOf) {
    const parts = condition.type === 'and' ? condition.parts : [condition];
    // A line filter is a stage of its own and comes before the labels are looked at.
    const lineFilters = parts.flatMap((part) => (part.type === 'keywords' ? [lineFilter(part.texts)] : []));
    const tests = parts.filter(({ type }) => type !== 'keywords').map((part) => write(part, attributeOf, 'and'));
    const stages = contains(condition, 'compares') ? ['| __error__=``'] : [];
    return [...lineFilters, ...(tests.length === 0 ? [] : [`| ${tests.join(' and ')}`]), ...stages].join(' ');
  },
};

/** As Loki makes it of an attribute's name (github.com/prometheus/otlptranslator, LabelNamer). */
export function labelName({ name }: Pick<Attribute, 'name'>): string {
  return name.replaceAll(/[^A-Za-z0-9]+/g, '_');
}

/** A LogQL string. Backticks read best and escape nothing; Go drops carriage returns in them. */
export function logqlString(text: string): string {
  return /[`\r]|[^\P{C}\n\t]/u.test(text) ? JSON.stringify(text) : `\`${text}\``;
}

/** Matches one of these texts whole, however they begin. */
export function exactly(label: string, values: readonly string[], negative = false): string {
  const [only] = values;
  if (values.length === 1 && only !== undefined) return `${label}${negative ? '!=' : '='}${logqlString(only)}`;
  return matching(label, values.map(escapeRegexp), negative);
}

function matching(label: string, alternatives: readonly string[], negative: boolean): string {
  return `${label}${negative ? '!~' : '=~'}${logqlString(`^(?s:${alternatives.join('|')})$`)}`;
}

function escapeRegexp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** `and` binds tighter than `or`. */
function write(condition: Condition, attributeOf: AttributeOf, around: 'and' | 'or', negative = false): string {
  switch (condition.type) {
    case 'not':
      return write(condition.part, attributeOf, around, !negative);
    case 'and':
    case 'or': {
      const operator = (condition.type === 'and') === negative ? 'or' : 'and';
      const text = condition.parts.map((part) => write(part, attributeOf, operator, negative)).join(` ${operator} `);
      return operator === around || condition.parts.length === 1 ? text : `(${text})`;
    }
    case 'keywords':
      throw new Refusal('Loki filters lines before labels, so keywords can only be joined to the rest by `and`');
    default:
      return writeTest(condition, attributeOf(condition.field), negative);
  }
}

function writeTest(test: FieldTest, attribute: Attribute, negative: boolean): string {
  const label = labelName(attribute);
  if (attribute.as === 'map')
    throw new Refusal(`Loki has no label for the map ${attribute.name}, only for what is in it`);
  switch (test.type) {
    case 'equals':
      checkAddresses(loki.name, attribute, test.values);
      return exactly(label, test.values, negative);
    case 'matches':
      return matching(label, test.patterns.map(patternRegexp), negative);
    case 'regexp':
      return matching(label, test.expressions, negative);
    case 'exists':
      return `${label}${negative ? '=' : '!='}\`\``;
    case 'network': {
      const tests = test.networks.map((network) => `${label}${negative ? '!=' : '='}ip(${logqlString(network)})`);
      return negative ? `(${label}=\`\` or ${tests.join(' and ')})` : inParentheses(tests);
    }
    case 'compares': {
      if (!isNumeric(attribute))
        throw new Refusal(`Loki drops every record in which ${label} is not a number; list the values instead`);
      const [operator, opposite] = comparisons[test.operator];
      return negative ? `(${label}=\`\` or ${label}${opposite}${test.bound})` : `${label}${operator}${test.bound}`;
    }
  }
}

/** Each with its opposite. */
const comparisons = { gt: ['>', '<='], gte: ['>=', '<'], lt: ['<', '>='], lte: ['<=', '>'] } as const;

function inParentheses(tests: readonly string[]): string {
  return tests.length === 1 ? tests.join('') : `(${tests.join(' or ')})`;
}

function patternRegexp(pattern: Pattern): string {
  return writePattern(pattern, escapeRegexp, '.*', '.');
}

/** In any case of letters, as Elasticsearch's analysed body is searched. */
function lineFilter(texts: readonly string[]): string {
  return `|~ ${logqlString(`(?i)(?:${texts.map((text) => escapeRegexp(asInBody(text))).join('|')})`)}`;
}

/** The body is JSON. */
function asInBody(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
