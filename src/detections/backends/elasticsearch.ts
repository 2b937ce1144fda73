/**
 * Conditions as a Lucene `query_string`, which is what Kibana sends for a rule in that language.
 *
 * Seen on Elasticsearch 8.19 with the index template of examples/elastic, where a `query_string` is lenient and what it
 * cannot do finds nothing:
 * - Parameters of a request are one `flattened` field: terms and `*text*` work, regular expressions and ranges do not.
 * - `<` and `>` cannot be escaped outside of quotes.
 * - A pure `NOT` inside of parentheses is written with `*:*` in front of it.
 */
import type { Condition, FieldTest, Pattern } from '../condition.ts';
import { anyText } from '../condition.ts';
import type { Attribute } from '../fields.ts';
import { checkAddresses, isNumeric, type QueryBackend, Refusal, writePattern } from './backend.ts';

type AttributeOf = (field: string) => Attribute;

export const elasticsearch: QueryBackend = {
  name: 'Elasticsearch',
  fieldName: ({ name }) => name,
  query: (condition, attributeOf) => write(condition, attributeOf, undefined),
};

/** Of the template: analysed texts, which hold lower-case words and not the text. */
const analysedAttributes = ['databricks.error.message'];
const bodyField = 'body.text';

function write(condition: Condition, attributeOf: AttributeOf, around: 'and' | 'or' | undefined): string {
  switch (condition.type) {
    case 'not': {
      const part = write(condition.part, attributeOf, undefined);
      const isJoin = condition.part.type === 'and' || condition.part.type === 'or';
      const negation = `NOT ${isJoin ? `(${part})` : part}`;
      return around === 'and' ? negation : `(*:* AND ${negation})`;
    }
    case 'and':
    case 'or': {
      const parts = condition.parts.map((part) => write(part, attributeOf, condition.type));
      // `NOT` needs a positive clause to subtract from.
      const positive = condition.type === 'or' || condition.parts.some(({ type }) => type !== 'not') ? [] : ['*:*'];
      const text = [...positive, ...parts].join(condition.type === 'and' ? ' AND ' : ' OR ');
      return around === undefined ? text : `(${text})`;
    }
    case 'keywords':
      return anyOf(bodyField, condition.texts.map(bodyPhrase));
    default:
      return writeTest(condition, attributeOf(condition.field));
  }
}

function writeTest(test: FieldTest, attribute: Attribute): string {
  const field = escapeName(attribute.name);
  switch (test.type) {
    case 'equals':
      if (isAnalysed(attribute))
        throw new Refusal(
          `Elasticsearch holds the words of ${attribute.name} and not its text, so it cannot be compared as a whole`,
        );
      if (isNumeric(attribute) && test.values.some((value) => !/^-?\d+$/.test(value)))
        throw new Refusal(`Elasticsearch holds ${attribute.name} as a number, which ${test.values.join(', ')} is not`);
      checkAddresses(elasticsearch.name, attribute, test.values);
      return anyOf(field, test.values.map(phrase));
    case 'matches':
      if (isNumeric(attribute) || attribute.as === 'ip_address')
        throw new Refusal(`Elasticsearch finds nothing by part of ${attribute.name}, which is no text`);
      return anyOf(
        field,
        test.patterns.map((pattern) => {
          if (isAnalysed(attribute)) checkWord(attribute, pattern);
          return writePattern(pattern, escapeWildcard, '*', '?');
        }),
      );
    case 'regexp':
      if (attribute.insideMap)
        throw new Refusal(
          `Elasticsearch finds nothing by a regular expression on the flattened field ${attribute.name}`,
        );
      if (isAnalysed(attribute))
        throw new Refusal(`Elasticsearch matches a regular expression with single words of ${attribute.name}`);
      return anyOf(
        field,
        test.expressions.map((expression) => `/${escapeLuceneRegexp(expression)}/`),
      );
    case 'network':
      if (attribute.as !== 'ip_address')
        throw new Refusal(`Elasticsearch knows networks only of addresses, and ${attribute.name} is none`);
      return anyOf(field, test.networks.map(phrase));
    case 'compares':
      if (attribute.insideMap)
        throw new Refusal(`Elasticsearch finds nothing by a range on the flattened field ${attribute.name}`);
      if (!isNumeric(attribute)) throw new Refusal(`Elasticsearch compares ${attribute.name} as a text`);
      return `${field}:${{ gt: '>', gte: '>=', lt: '<', lte: '<=' }[test.operator]}${test.bound}`;
    case 'exists':
      if (attribute.as === 'map')
        throw new Refusal(`Elasticsearch finds nothing by the existence of the map ${attribute.name}`);
      return `_exists_:${field}`;
  }
}

/** A pattern is tried on each word, so that a beginning is that of any word, and a wildcard never reaches the next one. */
function checkWord({ name }: Attribute, pattern: Pattern): void {
  const inner = pattern.filter((part) => part !== anyText);
  const [word] = inner;
  const isPart = inner.length === 1 && pattern.at(0) === anyText && pattern.at(-1) === anyText;
  if (!isPart || typeof word !== 'string')
    throw new Refusal(`Elasticsearch holds single words of ${name}, so it can only be searched by contains`);
  if (/\W/.test(word)) throw new Refusal(`Elasticsearch holds single words of ${name}, so that ${word} is never found`);
}

function isAnalysed({ name }: Attribute): boolean {
  return analysedAttributes.includes(name);
}

function anyOf(field: string, values: readonly string[]): string {
  return values.length === 1 ? `${field}:${values.join('')}` : `${field}:(${values.join(' OR ')})`;
}

/** Of a keyword it is the term. */
function phrase(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, '\\$&')}"`;
}

/** The body is analysed: of signs alone nothing is left to look for. */
function bodyPhrase(text: string): string {
  if (!/[\p{L}\p{N}]/u.test(text))
    throw new Refusal(`Elasticsearch looks for words in the record, and ${text} has none`);
  return phrase(text);
}

function escapeName(name: string): string {
  return name.replaceAll(/[^\w.]/g, '\\$&');
}

function escapeWildcard(text: string): string {
  if (/[<>]/.test(text))
    throw new Refusal(`Elasticsearch cannot search for part of a text with < or > in it (${text})`);
  return text.replaceAll(/[\s+\-=&|!(){}[\]^"~*?:\\/]/g, '\\$&');
}

/** Of Lucene alone: `#` is nothing, `@` anything, `<1-9>` a range, `~` a complement, `&` an intersection, `"` quotes. */
function escapeLuceneRegexp(expression: string): string {
  // What is escaped already stays so, and an escaped backslash escapes nothing.
  return expression.replaceAll(/\\[\s\S]|[#@<>~&"/]/g, (token) => (token.length === 1 ? `\\${token}` : token));
}
