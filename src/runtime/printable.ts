/**
 * Text that others wrote (names of files and keys, answers of servers, records), made fit for a message or a terminal of ours:
 * nothing in it moves a cursor, starts a line or hides.
 */

/** Control, format and separator characters and lone surrogates become `\u{...}`; what is longer than the limit is cut. */
export function printable(text: string, lengthMax = 300): string {
  const shown = text.length > lengthMax ? `${text.slice(0, lengthMax)}...` : text;
  return shown.replaceAll(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
