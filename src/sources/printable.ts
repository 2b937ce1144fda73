/**
 * Names of files and keys as they may stand in a message: anybody who can write to the source chooses them.
 */

/** Control characters, line separators and what reverses the direction of text become `\u{...}`; long names are cut. */
export function printable(name: string): string {
  const lengthMax = 300;
  const shown = name.length > lengthMax ? `${name.slice(0, lengthMax)}...` : name;
  return shown.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
