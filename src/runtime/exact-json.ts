/**
 * JSON.parse that preserves numbers a JavaScript number cannot represent: integers beyond 2^53, and magnitudes beyond 1.8e308. It also
 * preserves keys with escapes, which V8 confuses with others (https://github.com/nodejs/node/issues/63785): once it has read
 * `{"a":1,"\\":2}`, it reads the second key of `{"a":1,"\"":2}` as a backslash.
 */

/** A parsed JSON text: plain values, and an ExactNumber where a number would have lost precision. */
export type JsonValue = string | number | boolean | null | JsonObject | readonly JsonValue[];
export type JsonObject = { [key: string]: JsonValue | undefined };

/**
 * The result of JSON.rawJSON (ECMAScript, "JSON.parse source text access"): the number as written, which JSON.stringify
 * preserves.
 */
interface ExactNumber {
  readonly rawJSON: string;
}

/** Available since Node 22, but not yet in TypeScript's library. */
const json = JSON as unknown as {
  rawJSON(text: string): ExactNumber;
  isRawJSON(value: unknown): value is ExactNumber;
};

/** Nothing deeper is inspected: attributes end at a depth of 8, and no real record comes close. */
export const inspectedDepthMax = 64;

const backslash = 0x5c;
const integerPattern = /^-?\d+$/;

/** Matches every escape in a key, and rarely something else: the last escape before a closing quote and a colon. */
const escapeInKeyPattern = /\\.[^"\\]*"\s*:/;

/** Everything in valid JSON but commas, colons and white space. Of a string its first quote. */
const tokenPattern = /["[\]{}]|[^\s,:"[\]{}]+/g;

/** Throws a SyntaxError for invalid JSON. */
export function parseJson(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text);
  return escapeInKeyPattern.test(text) || hasInexactNumber(value, 0) ? parseExactly(text) : value;
}

/** Undefined if the JSON is invalid. */
export function parseOrNothing(text: string): JsonValue | undefined {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}

/** The object in the text; undefined without one. */
export function parseJsonObject(text: string): JsonObject | undefined {
  const value = startsLikeJson(text) ? parseOrNothing(text) : undefined;
  return isJsonObject(value) ? value : undefined;
}

/** The object, or the object embedded in a string, as Azure writes it. */
export function toObject(value: JsonValue | undefined): JsonObject | undefined {
  if (typeof value === 'string') return parseJsonObject(value);
  return isJsonObject(value) ? value : undefined;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isExactNumber(value);
}

export function isExactNumber(value: unknown): value is ExactNumber {
  return json.isRawJSON(value);
}

/** True if the text may contain an object or an array. */
export function startsLikeJson(text: string): boolean {
  const first = text.charCodeAt(0);
  if (first === 0x7b || first === 0x5b) return true;
  return (first === 0x20 || (first >= 0x09 && first <= 0x0d)) && /^\s*[[{]/.test(text);
}

/** A JavaScript number cannot represent what was written. */
export function isInexact(value: number): boolean {
  return Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
}

function hasInexactNumber(value: JsonValue, depth: number): boolean {
  if (typeof value === 'number') return isInexact(value);
  if (typeof value !== 'object' || value === null || depth > inspectedDepthMax) return false;
  const entries = value as JsonObject;
  for (const key in entries) {
    const inner = entries[key];
    // Most values are strings, which are not worth a call.
    if (inner !== undefined && typeof inner !== 'string' && hasInexactNumber(inner, depth + 1)) return true;
  }
  return false;
}

/** @param text valid JSON. It has no recursion, because a line can be nested half a million levels deep. */
function parseExactly(text: string): JsonValue {
  const outermost = new Container();
  const open = [outermost];
  for (const token of tokensOf(text)) {
    const container = open.at(-1) ?? outermost;
    if (token === '{' || token === '[') {
      open.push(new Container(token));
    } else if (token === '}' || token === ']') {
      open.pop();
      open.at(-1)?.values.push(container.toValue());
    } else if (container.needsKey) {
      container.keys.push(JSON.parse(token));
    } else {
      container.values.push(scalarOf(token));
    }
  }
  return outermost.values[0] ?? null;
}

function* tokensOf(text: string): Generator<string, void, undefined> {
  const pattern = new RegExp(tokenPattern);
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    // Not by the pattern: to match escapes it needs stack for each, and a row of a table may have 25 MiB.
    if (match[0] === '"') pattern.lastIndex = endOfString(text, match.index);
    yield text.slice(match.index, pattern.lastIndex);
  }
}

function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  while (escapesBefore(text, quote) % 2 === 1) quote = text.indexOf('"', quote + 1);
  return quote + 1;
}

/** The number of backslashes directly before the position. */
export function escapesBefore(text: string, position: number): number {
  let first = position;
  while (first > 0 && text.charCodeAt(first - 1) === backslash) first--;
  return position - first;
}

/** An object or array that is being read. */
class Container {
  readonly keys: string[] = [];
  readonly values: JsonValue[] = [];
  readonly #isObject: boolean;

  constructor(bracket?: '{' | '[') {
    this.#isObject = bracket === '{';
  }

  get needsKey(): boolean {
    return this.#isObject && this.keys.length === this.values.length;
  }

  toValue(): JsonValue {
    if (!this.#isObject) return this.values;
    return Object.fromEntries(this.keys.map((key, index) => [key, this.values[index]]));
  }
}

function scalarOf(token: string): JsonValue {
  const value: JsonValue = JSON.parse(token);
  if (typeof value !== 'number' || !isInexact(value)) return value;
  // A number with a fraction or exponent is a double, and as exact as doubles are.
  const isExactNeeded = integerPattern.test(token) || !Number.isFinite(value);
  return isExactNeeded ? (json.rawJSON(token) as unknown as JsonValue) : value;
}
