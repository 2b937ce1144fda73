/**
 * Text that others wrote, made fit for a message of ours: one line, bounded, nothing that moves a cursor or hides.
 */

/** White space becomes one space, control and invisible characters become `\u{...}`. */
export function readableText(text: string, lengthMax = 500): string {
  const line = text.toWellFormed().replaceAll(/\s+/g, ' ').trim();
  const cut = line.length > lengthMax ? `${line.slice(0, lengthMax).toWellFormed()}…` : line;
  return cut.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
