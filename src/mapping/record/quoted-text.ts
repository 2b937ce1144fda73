/**
 * Finds keys and ends of values in text that is almost JSON: truncated, malformed, or embedded in strings of JSON.
 *
 * Each level of embedding escapes quotes once more: `"`, `\"`, `\\\"`. The number of backslashes before a quote has, in
 * binary, as many trailing ones as the quote has levels, even after an escaped backslash (`\\"` ends a string).
 */

import { escapesBefore } from '../../runtime/exact-json.ts';

const backslash = 0x5c;
const keyEscapePattern = /\\+(?:u([0-9a-fA-F]{4}))?/g;

/**
 * Replaces every `\u0022`, as .NET escapes quotes, with the escaped quote of its level:
 * `\u0022` is `\"`, and `\\u0022` within another string is `\\\"`.
 */
export function withPlainQuotes(text: string): string {
  if (!text.includes('u0022')) return text;
  // Match only from the first backslash of a run, or a long run would take quadratic time.
  return text.replaceAll(
    /(?<!\\)(\\+)u0022/g,
    (_quote, escapes: string) => `${'\\'.repeat(escapesOfQuote(escapes.length))}"`,
  );
}

/** An even number of backslashes represents half as many one level up. */
function escapesOfQuote(count: number): number {
  return count % 2 === 1 ? count : 2 * escapesOfQuote(count / 2) + 1;
}

/** The end of the value that starts here: after its closing quote or bracket, before the delimiter of a bare word, or the end of the text. */
export function endOfMaskedValue(text: string, start: number): number {
  const quote = skipBackslashes(text, start);
  if (text[quote] === '"') return endOfQuoted(text, quote);
  if (text[start] === '{' || text[start] === '[') return endOfBracketed(text, start);
  return endOfBareWord(text, start);
}

/** Also those that embedding has escaped: a tab is `\t` in a string of JSON, and `\\t` in a string within that. */
export function skipBlanks(text: string, start: number): number {
  let at = start;
  for (;;) {
    while (at < text.length && text.charCodeAt(at) <= 0x20) at++;
    const letter = skipBackslashes(text, at);
    if (letter === at || !'nrt'.includes(text.charAt(letter) || ' ')) return at;
    at = letter + 1;
  }
}

/** A key between its quotes, at any level: without the escapes of its closing quote, with `\u` escapes decoded. */
export function unescapedKey(key: string): string {
  if (!key.includes('\\')) return key;
  return key.replaceAll(keyEscapePattern, (_escape, hex: string | undefined) =>
    hex === undefined ? '' : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function endOfQuoted(text: string, openingQuote: number): number {
  const level = levelOfQuote(text, openingQuote);
  for (let at = text.indexOf('"', openingQuote + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    if (levelOfQuote(text, at) <= level) return at + 1;
  }
  return text.length;
}

function endOfBracketed(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const character = text[at];
    if (character === '"') at = endOfQuoted(text, at) - 1;
    else if (character === '{' || character === '[') depth++;
    else if ((character === '}' || character === ']') && --depth === 0) return at + 1;
  }
  return text.length;
}

function endOfBareWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && !',}]\r\n"\\'.includes(text.charAt(at))) at++;
  return at;
}

function levelOfQuote(text: string, quote: number): number {
  let level = 0;
  for (let escapes = escapesBefore(text, quote); escapes % 2 === 1; escapes = (escapes - 1) / 2) level++;
  return level;
}

function skipBackslashes(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) === backslash) at++;
  return at;
}
