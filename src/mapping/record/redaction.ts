/**
 * Removes sensitive values from a record before any of it is written, so that body and attributes agree.
 */
import {
  escapesBefore,
  inspectedDepthMax,
  isExactNumber,
  type JsonObject,
  type JsonValue,
  parseOrNothing,
  startsLikeJson,
} from '../../runtime/exact-json.ts';
import { endOfMaskedValue, skipBlanks, unescapedKey, withPlainQuotes } from './quoted-text.ts';
import type { SensitiveKeys } from './sensitive-keys.ts';

export const redacted = '[redacted]';

/** Levels of JSON embedded in strings: new_settings → new_cluster → spark_conf needs three. Anything deeper is replaced. */
const embeddedLevelsMax = 4;

/** The kernel does not report the depth of a string; this is the maximum that it scans (kernel/assembly/record.ts). */
const containersAroundText = 32;

export class Redactor {
  readonly #keys: SensitiveKeys;
  #namesInService: ReadonlySet<string> | undefined;
  /** Keys and strings found so far in the JSON text being redacted. */
  #quotedCount = 0;

  constructor(keys: SensitiveKeys) {
    this.#keys = keys;
  }

  /**
   * Replaces the sensitive values of a parsed record in place.
   * @param text the source of the record.
   * @param service of the record, for rules that apply to one service.
   * @returns true if the record no longer matches its source.
   */
  redact(record: JsonObject, text: string, service: unknown): boolean {
    this.#namesInService = this.#keys.namesIn(service);
    return this.#redactParsed(record, text, 0, 0);
  }

  classifyKey(key: string): { readonly always: boolean; readonly inService: boolean } {
    return { always: this.#keys.matches(key), inService: this.#keys.namesIn(undefined)?.has(key) === true };
  }

  /** True if redaction would change a string value. */
  changesText(text: string, service: string | undefined): boolean {
    this.#namesInService = this.#keys.namesIn(service);
    return this.#redactLeaf(text, containersAroundText, 0) !== text;
  }

  /**
   * Masks the values of sensitive keys in text that is not valid JSON or was truncated. It assumes no structure: anything
   * quoted before a colon is a key, at any level of embedded JSON, and its value ends with the quotes or brackets that
   * it starts with, or with the text.
   */
  maskText(text: string): string {
    this.#namesInService = this.#keys.namesIn(undefined);
    return this.#mask(text);
  }

  #isSensitive(key: string): boolean {
    return this.#keys.matches(key) || this.#namesInService?.has(key) === true;
  }

  /**
   * Of duplicate keys, the parser kept only the last value. The others were not inspected, so the source must not be
   * sent.
   */
  #redactParsed(value: object, text: string, depth: number, embeddedLevel: number): boolean {
    const outerCount = this.#quotedCount;
    this.#quotedCount = 0;
    const changed = this.#redactInside(value, false, depth, embeddedLevel);
    const isWhole = this.#quotedCount === countQuoted(text);
    this.#quotedCount = outerCount;
    return changed || !isWhole;
  }

  /** @param isInSensitive whether the container is the value of a sensitive key, or inside one. */
  #redactInside(container: object, isInSensitive: boolean, depth: number, embeddedLevel: number): boolean {
    // Parsed objects and arrays have only own enumerable keys, and assigning to an existing key sets that key, even
    // `__proto__`.
    const entries = container as JsonObject;
    const isArray = Array.isArray(container);
    let changed = false;
    for (const key in entries) {
      const value = entries[key];
      if (!isArray) this.#quotedCount++;
      if (typeof value === 'string') this.#quotedCount++;
      if (value === undefined || value === null || typeof value === 'boolean' || value === '') continue;
      const isSensitive = isInSensitive || (!isArray && this.#isSensitive(key));
      if (typeof value === 'object' && depth < inspectedDepthMax && !isExactNumber(value)) {
        if (this.#redactInside(value, isSensitive, depth + 1, embeddedLevel)) changed = true;
        continue;
      }
      const replacement = isSensitive ? redacted : this.#redactLeaf(value, depth, embeddedLevel);
      if (replacement === value) continue;
      entries[key] = replacement;
      changed = true;
    }
    return changed;
  }

  #redactLeaf(value: JsonValue, depth: number, embeddedLevel: number): JsonValue {
    // An embedded key needs quotes.
    if (typeof value === 'string')
      return value.includes('"') ? this.#redactText(value, depth, embeddedLevel + 1) : value;
    // What is nested too deeply to inspect is replaced as a whole.
    return typeof value === 'number' || isExactNumber(value) ? value : redacted;
  }

  /** Embedded JSON is redacted as JSON. In other strings, such as JSON that Databricks truncated, values are masked. */
  #redactText(text: string, depth: number, embeddedLevel: number): string {
    if (embeddedLevel > embeddedLevelsMax) return redacted;
    const value = startsLikeJson(text) ? parseOrNothing(text) : undefined;
    if (typeof value !== 'object' || value === null) return this.#mask(text);
    return this.#redactParsed(value, text, depth + 1, embeddedLevel) ? JSON.stringify(value) : text;
  }

  #mask(delivered: string): string {
    const text = withPlainQuotes(delivered);
    let masked = '';
    let copiedTo = 0;
    let open = text.indexOf('"');
    for (let close = 0; open !== -1; open = close) {
      close = text.indexOf('"', open + 1);
      if (close === -1) break;
      const colon = skipBlanks(text, close + 1);
      if (text[colon] !== ':' || !this.#isSensitive(unescapedKey(text.slice(open + 1, close)))) continue;
      const value = skipBlanks(text, colon + 1);
      const end = endOfMaskedValue(text, value);
      const quote = `${'\\'.repeat(escapesBefore(text, close))}"`;
      masked += `${text.slice(copiedTo, value)}${quote}${redacted}${quote}`;
      copiedTo = end;
      close = text.indexOf('"', end);
    }
    return masked === '' ? delivered : masked + text.slice(copiedTo);
  }
}

/** The number of keys and strings in valid JSON: half of its unescaped quotes. */
function countQuoted(text: string): number {
  let quotes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) quotes++;
  }
  return quotes / 2;
}
