/**
 * Text that others wrote (names of files and keys, answers of servers, records), made fit for a message or a terminal of ours:
 * nothing in it moves a cursor, starts a line or hides.
 */

/** Control, format and separator characters and lone surrogates: what nobody sees, and what terminals obey. */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Characters that nobody sees become `\u{...}`; what is longer than the limit is cut. */
export function printable(text: string, lengthMax = 300): string {
  const shown = text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
  return shown.replaceAll(unseen, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** The same for a message of ours that may have several lines and quote what others wrote. */
export function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, Number.POSITIVE_INFINITY))
    .join('\n');
}

/** JSON that says the same and is fit for a terminal: JSON.stringify escapes only what JSON itself forbids. */
export function printableJson(json: string): string {
  return json.replaceAll(unseen, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
