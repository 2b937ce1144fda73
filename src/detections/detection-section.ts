/**
 * The `detection` section of a Sigma rule, or the `filter` section of a filter, as a tree. What is not in the subset of
 * this file is refused by name: a modifier that is passed over would make a rule that finds something else.
 */
import { isIP } from 'node:net';
import { isInexact } from '../runtime/exact-json.ts';
import { anyCharacter, anyText, type Comparison, type Condition, joined, negated, type Pattern } from './condition.ts';

/** Search identifiers by name, as YAML has them, and the condition that joins them. */
export interface DetectionSection {
  readonly searches: Readonly<Record<string, unknown>>;
  readonly condition: string;
}

const comparisons: readonly string[] = ['gt', 'gte', 'lt', 'lte'] satisfies Comparison[];
const modifiers = ['contains', 'startswith', 'endswith', 'all', 'exists', 're', 'cidr', 'cased', ...comparisons];

const repetitionsMax = 1000;

/** @throws Error that says what was expected. */
export function parseDetection({ searches, condition }: DetectionSection): Condition {
  const parsed = new Map(Object.entries(searches).map(([name, search]) => [name, parseSearch(name, search)]));
  return new ConditionText(condition, parsed).parse();
}

/** Whether the condition holds for a record that none of the searches select. */
export function holdsWithoutSearches({ searches, condition }: DetectionSection): boolean {
  const nothing: Condition = { type: 'or', parts: [] };
  const empty = new Map(Object.keys(searches).map((name) => [name, nothing]));
  return holdsForNothing(new ConditionText(condition, empty).parse());
}

function holdsForNothing(condition: Condition): boolean {
  if (condition.type === 'not') return !holdsForNothing(condition.part);
  if (condition.type === 'and') return condition.parts.every(holdsForNothing);
  return condition.type === 'or' && condition.parts.some(holdsForNothing);
}

function parseSearch(name: string, search: unknown): Condition {
  if (Array.isArray(search)) {
    if (search.length === 0) throw new Error(`${name}: expected at least one text or map of fields`);
    if (search.every(isScalar)) return { type: 'keywords', texts: search.map((text) => keyword(name, text)) };
    return joined(
      'or',
      search.map((part) => parseSearch(name, part)),
    );
  }
  if (typeof search !== 'object' || search === null) throw new Error(`${name}: expected fields or a list of texts`);
  const fields = Object.entries(search);
  if (fields.length === 0) throw new Error(`${name}: expected at least one field`);
  return joined(
    'and',
    fields.map(([field, values]) => parseField(`${name}.${field}`, field, values)),
  );
}

/** The text to look for. Neither backend has wildcards for words in the record, and no text at all is in every record. */
function keyword(name: string, written: string | number | boolean): string {
  const literal = literalOf(parsePattern(textOf(name, written)));
  if (literal === undefined)
    throw new Error(`${name}: expected texts without wildcards, got ${JSON.stringify(written)}`);
  return literal;
}

function parseField(place: string, fieldText: string, written: unknown): Condition {
  const [field = '', ...used] = fieldText.split('|');
  const unknown = used.find((modifier) => !modifiers.includes(modifier));
  if (unknown !== undefined)
    throw new Error(`${place}: expected a modifier of ${modifiers.join(', ')}, got ${unknown}`);
  if (field === '') throw new Error(`${place}: expected a field before the modifier`);
  if (used.includes('exists')) return existence(place, field, used, written);
  const values = Array.isArray(written) ? written : [written];
  if (written === null && used.length === 0) return negated({ type: 'exists', field });
  if (values.length === 0 || !values.every(isScalar)) throw new Error(`${place}: expected a value or a list of values`);
  const texts = values.map((value) => textOf(place, value));
  // The mapping leaves empty texts out, so that a test for one could never hold.
  if (texts.includes('')) throw new Error(`${place}: expected no empty text, as the mapping omits those; use null`);
  if (!used.includes('all')) return testOf(place, field, used, texts);
  if (texts.length < 2) throw new Error(`${place}: expected a list for the modifier all`);
  return joined(
    'and',
    texts.map((text) => testOf(place, field, used, [text])),
  );
}

function existence(place: string, field: string, used: readonly string[], written: unknown): Condition {
  if (used.length > 1) throw new Error(`${place}: expected exists as the only modifier`);
  if (typeof written !== 'boolean') throw new Error(`${place}: expected true or false`);
  return written ? { type: 'exists', field } : negated({ type: 'exists', field });
}

function testOf(place: string, field: string, used: readonly string[], texts: readonly string[]): Condition {
  const [kind, other] = used.filter((modifier) => modifier !== 'all' && modifier !== 'cased');
  if (other !== undefined) throw new Error(`${place}: expected ${kind} or ${other}, not both`);
  if (kind === 're') return { type: 'regexp', field, expressions: texts.flatMap((text) => anchored(place, text)) };
  if (kind === 'cidr') return { type: 'network', field, networks: texts.map((text) => network(place, text)) };
  if (kind !== undefined && comparisons.includes(kind)) return comparison(place, field, kind as Comparison, texts);
  const patterns = texts.map((text) => surrounded(kind, parsePattern(text)));
  // A backend may find absent fields by `*`, as Loki's expressions do.
  if (patterns.some((pattern) => pattern.every((part) => part === anyText))) return { type: 'exists', field };
  const literals = patterns.map(literalOf);
  if (literals.every((literal) => literal !== undefined)) return { type: 'equals', field, values: literals };
  return { type: 'matches', field, patterns };
}

function comparison(place: string, field: string, operator: Comparison, texts: readonly string[]): Condition {
  const bound = texts.length === 1 ? Number(texts[0]) : Number.NaN;
  if (!Number.isFinite(bound)) throw new Error(`${place}: expected one number`);
  return { type: 'compares', field, operator, bound };
}

function network(place: string, text: string): string {
  const [, address = '', prefix] = /^([^/%]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0 || Number(prefix) > (version === 4 ? 32 : 128))
    throw new Error(`${place}: expected a network such as 10.0.0.0/8 or 2001:db8::/32, got ${text}`);
  return text;
}

/**
 * The alternatives of an expression, without their anchors. Sigma's expressions may begin and end anywhere; those of Lucene
 * and of Loki's labels are anchored, and would silently find nothing. So a rule has to write the anchors of each alternative,
 * and `.*` where it means it.
 */
function anchored(place: string, text: string): string[] {
  const bodies = alternativesOf(text).map((tokens) => {
    if (tokens.length < 2 || tokens[0] !== '^' || tokens.at(-1) !== '$') {
      throw new Error(
        `${place}: expected a regular expression with ^ and $ around it, or around each of its alternatives (and .* where anything may stand), got ${text}`,
      );
    }
    return tokens.slice(1, -1);
  });
  const foreign = bodies.map(foreignTo).find((found) => found !== undefined);
  if (foreign !== undefined)
    throw new Error(`${place}: expected what all backends know in a regular expression, got ${foreign}`);
  if (bodies.some((tokens) => nestedRepetitions(tokens) > repetitionsMax))
    throw new Error(
      `${place}: expected at most ${repetitionsMax} repetitions, those in a group times those of the group, as Loki would refuse the whole file, got ${text}`,
    );
  return bodies.map((tokens) => {
    const body = tokens.join('');
    if (compiled(place, text, body).test(''))
      throw new Error(
        `${place}: expected a regular expression that an empty text does not match, as Loki takes an absent field for one; use .+ or the modifier exists, got ${text}`,
      );
    return body;
  });
}

function compiled(place: string, text: string, body: string): RegExp {
  try {
    return new RegExp(`^(?:${body})$`);
  } catch {
    throw new Error(`${place}: expected a regular expression, got ${text}`);
  }
}

/** Split at each `|` that is in no group: what is escaped, a class, or else a character is a token. */
function alternativesOf(text: string): string[][] {
  const alternatives: string[][] = [[]];
  let depth = 0;
  for (const [token] of text.matchAll(/\\[\s\S]|\[\^?(?:\\[\s\S]|[^\]\\])*\]|[\s\S]/g)) {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    if (token === '|' && depth === 0) alternatives.push([]);
    else alternatives.at(-1)?.push(token);
  }
  return alternatives;
}

/** What is not in that which Sigma's subset, RE2 and Lucene have in common. */
function foreignTo(tokens: readonly string[]): string | undefined {
  const index = tokens.findIndex((token, position) => {
    const next = tokens[position + 1] ?? '';
    if (token === '{') return !isRepetition(tokens, position);
    if (token.startsWith('[')) return /^\[\^?\]|\\[a-zA-Z0-9]|[^\\]\[/.test(token);
    return (
      /^\\[a-zA-Z0-9\u0080-\uffff]$|^[\^$]$/.test(token) ||
      // Lucene takes the `|` of an empty alternative for itself.
      (/^[(|]$/.test(token) && /^[|)]$/.test(next)) ||
      (token === '(' && next === '?') ||
      (/^[*+?}]$/.test(token) && /^[?+]$/.test(next))
    );
  });
  return index === -1 ? undefined : tokens.slice(index, index + 2).join('');
}

/** RE2 repeats at most 1,000 times; Lucene refuses any other brace. */
function isRepetition(tokens: readonly string[], position: number): boolean {
  return repetitionAt(tokens, position) <= repetitionsMax;
}

/** Of `{2}`, `{2,}` or `{2,3}` the largest number. */
function repetitionAt(tokens: readonly string[], position: number): number {
  const end = tokens.indexOf('}', position);
  const [, least, most] = /^\{(\d+)(?:,(\d*))?\}$/.exec(tokens.slice(position, end + 1).join('')) ?? [];
  return least === undefined ? Number.NaN : Math.max(Number(least), Number(most ?? 0));
}

/** How often something may stand in a row, as RE2 counts it: the repetitions of a group times the most in it. */
function nestedRepetitions(tokens: readonly string[]): number {
  const around: number[] = [];
  let most = 1;
  // Of what stands right in front.
  let last = 1;
  for (const [position, token] of tokens.entries()) {
    if (token === '(') {
      around.push(most);
      most = 1;
    }
    if (token === '{') last *= Math.max(1, repetitionAt(tokens, position));
    else last = token === ')' ? most : 1;
    most = Math.max(most, last);
    if (token === ')') most = Math.max(most, around.pop() ?? 1);
  }
  return most;
}

/** `\` escapes `*`, `?` and itself; in front of anything else it is a character. */
function parsePattern(text: string): Pattern {
  const parts: (string | typeof anyText | typeof anyCharacter)[] = [];
  const push = (literal: string) => {
    const last = parts.at(-1);
    if (typeof last === 'string') parts[parts.length - 1] = last + literal;
    else parts.push(literal);
  };
  for (const [token] of text.matchAll(/\\[\\*?]|[\s\S]/g)) {
    if (token === '*') parts.push(anyText);
    else if (token === '?') parts.push(anyCharacter);
    else push(token.length === 2 ? token.slice(1) : token);
  }
  return parts;
}

function surrounded(kind: string | undefined, pattern: Pattern): Pattern {
  const before = kind === 'contains' || kind === 'endswith' ? [anyText] : [];
  const after = kind === 'contains' || kind === 'startswith' ? [anyText] : [];
  return [...before, ...pattern, ...after] as Pattern;
}

function literalOf(pattern: Pattern): string | undefined {
  const [only] = pattern;
  return pattern.length === 1 && typeof only === 'string' ? only : undefined;
}

/** As the record has it. A number beyond these limits has lost digits when YAML was read. */
function textOf(place: string, value: string | number | boolean): string {
  if (typeof value === 'number' && isInexact(value))
    throw new Error(`${place}: expected so large a number in quotes, as it would lose digits`);
  return String(value);
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

/** `selection and not 1 of filter_*`: or, and, not, `1 of`, `all of`, parentheses, from the loosest to the tightest. */
class ConditionText {
  readonly #searches: ReadonlyMap<string, Condition>;
  readonly #text: string;
  readonly #words: string[];

  constructor(text: string, searches: ReadonlyMap<string, Condition>) {
    this.#text = text;
    this.#searches = searches;
    this.#words = text.match(/[()]|[^\s()]+/g) ?? [];
  }

  parse(): Condition {
    const condition = this.#or();
    if (this.#words.length > 0) throw this.#unexpected(this.#words[0]);
    return condition;
  }

  #or(): Condition {
    const parts = [this.#and()];
    while (this.#take('or')) parts.push(this.#and());
    return joined('or', parts);
  }

  #and(): Condition {
    const parts = [this.#not()];
    while (this.#take('and')) parts.push(this.#not());
    return joined('and', parts);
  }

  #not(): Condition {
    return this.#take('not') ? negated(this.#not()) : this.#single();
  }

  #single(): Condition {
    const word = this.#words.shift();
    if (word === '(') {
      const inner = this.#or();
      if (!this.#take(')')) throw this.#unexpected(this.#words[0]);
      return inner;
    }
    if ((word === '1' || word === 'all') && this.#take('of')) {
      const pattern = this.#words.shift() ?? '';
      return joined(word === '1' ? 'or' : 'and', this.#namedBy(pattern));
    }
    const search = word === undefined ? undefined : this.#searches.get(word);
    if (search === undefined) throw this.#unexpected(word);
    return search;
  }

  #namedBy(pattern: string): Condition[] {
    const names = [...this.#searches.keys()].filter((name) => matchesName(pattern === 'them' ? '*' : pattern, name));
    if (names.length === 0) throw this.#unexpected(pattern);
    return names.flatMap((name) => this.#searches.get(name) ?? []);
  }

  #take(word: string): boolean {
    if (this.#words[0]?.toLowerCase() !== word) return false;
    this.#words.shift();
    return true;
  }

  #unexpected(word: string | undefined): Error {
    const names = [...this.#searches.keys()].join(', ');
    return new Error(
      `condition ${JSON.stringify(this.#text)}: expected and, or, not, 1 of, all of, parentheses, or one of ${names}, got ${word ?? 'its end'}`,
    );
  }
}

function matchesName(pattern: string, name: string): boolean {
  // Of searches that begin with `_`, a pattern means those alone that it names.
  if (name.startsWith('_') && !pattern.startsWith('_')) return false;
  const parts = pattern.split('*').map((part) => part.replaceAll(/[^\w]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
