/**
 * Makes untrusted text (file names, object keys, server responses, records) safe for messages and terminals: afterwards it cannot
 * move the cursor, start a new line or hide characters.
 */

/** Control, format and line separator characters and lone surrogates: invisible, or interpreted by terminals. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** An escape of `printable` that was cut. */
const beginningOfEscape = /\\(u(\{[0-9a-f]*)?)?$/;

/** Escapes unsafe characters as `\u{...}`, and truncates text that is longer than the limit once it is escaped. */
export function printable(text: string, lengthMax = 300): string {
  const escaped = text
    .slice(0, lengthMax)
    .replaceAll(unsafe, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
  if (text.length <= lengthMax && escaped.length <= lengthMax) return escaped;
  return `${escaped.slice(0, lengthMax).replace(beginningOfEscape, '')}...`;
}

/** The same for a text of several lines from elsewhere, such as the message of a library: its lines are joined with spaces. */
export function printableAsLine(text: string, lengthMax?: number): string {
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return printable(lines.filter((line) => line !== '').join(' '), lengthMax);
}

/** The same for our own messages, which may span several lines and quote untrusted text. */
export function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join('\n');
}

/** Equivalent JSON that is safe on a terminal: JSON.stringify escapes only what JSON itself forbids. */
export function printableJson(json: string): string {
  return json.replaceAll(unsafe, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
