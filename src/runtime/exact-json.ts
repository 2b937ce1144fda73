/**
 * JSON.parse that preserves numbers a JavaScript number cannot represent: integers beyond 2^53, and magnitudes beyond 1.8e308.
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
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source: string }) => unknown): unknown;
};

/** Nothing deeper is inspected: attributes end at a depth of 8, and no real record comes close. */
export const inspectedDepthMax = 64;

const integerPattern = /^-?\d+$/;

/** Throws a SyntaxError for invalid JSON, and a RangeError if it is nested too deeply to be parsed exactly. */
export function parseJson(text: string): JsonValue {
  const value: JsonValue = JSON.parse(text);
  return hasInexactNumber(value, 0) ? parseExactly(text) : value;
}

/** Undefined if the JSON is invalid or nested too deeply. */
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

function isInexact(value: number): boolean {
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

function parseExactly(text: string): JsonValue {
  return json.parse(text, (_key, value, { source }) => {
    if (typeof value !== 'number' || !isInexact(value)) return value;
    // A number with a fraction or exponent is a double, and as exact as doubles are.
    return integerPattern.test(source) || !Number.isFinite(value) ? json.rawJSON(source) : value;
  }) as JsonValue;
}
