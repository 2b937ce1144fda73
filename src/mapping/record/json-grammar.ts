/**
 * The parts of JSON's grammar (RFC 8259) byte by byte: blanks, escapes and numbers. Behind the text there has to be a zero.
 */

/** In place of where something ends: it is no JSON, or nothing that can be scanned. */
export const malformed = -1;

export const [quote, backslash] = [0x22, 0x5c];
const [plus, minus, point, zero, nine, lowerE, upperE, lowerU] = [0x2b, 0x2d, 0x2e, 0x30, 0x39, 0x65, 0x45, 0x75];
const [space, tab, lineFeed, carriageReturn] = [0x20, 0x09, 0x0a, 0x0d];

/** Bytes that stand for themselves in a text: all but quotes, backslashes and control characters. */
export const isPlain = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= space && byte !== quote && byte !== backslash ? 1 : 0,
);

const isSimpleEscape = Uint8Array.from({ length: 256 }, (_, byte) =>
  '"\\\\/bfnrt'.includes(String.fromCharCode(byte)) ? 1 : 0,
);

export function skipBlanks(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let byte = bytes[at] as number; byte <= space; byte = bytes[++at] as number) {
    if (byte !== space && byte !== tab && byte !== lineFeed && byte !== carriageReturn) return at;
  }
  return at;
}

/** How long the escape is that begins here; 0 when it is none. */
export function escapeSizeAt(bytes: Uint8Array, at: number): number {
  const letter = bytes[at + 1] as number;
  if (letter !== lowerU) return isSimpleEscape[letter] === 1 ? 2 : 0;
  for (let digit = at + 2; digit < at + 6; digit++) if (!isHexDigit(bytes[digit] as number)) return 0;
  return 6;
}

export function skipDigits(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let byte = bytes[at] as number; byte >= zero && byte <= nine; byte = bytes[at] as number) at++;
  return at;
}

/** @param endOfInteger behind the digits that the number begins with. */
export function endOfNumber(bytes: Uint8Array, firstDigit: number, endOfInteger: number): number {
  const digitCount = endOfInteger - firstDigit;
  if (digitCount === 0 || (digitCount > 1 && bytes[firstDigit] === zero)) return malformed;
  let at = endOfInteger;
  if (bytes[at] === point) {
    const firstDecimal = at + 1;
    at = skipDigits(bytes, firstDecimal);
    if (at === firstDecimal) return malformed;
  }
  if (bytes[at] === lowerE || bytes[at] === upperE) {
    const firstOfExponent = bytes[at + 1] === plus || bytes[at + 1] === minus ? at + 2 : at + 1;
    at = skipDigits(bytes, firstOfExponent);
    if (at === firstOfExponent) return malformed;
  }
  return at;
}

function isHexDigit(byte: number): boolean {
  const lowerCase = byte | 0x20;
  return (byte >= zero && byte <= nine) || (lowerCase >= 0x61 && lowerCase <= 0x66);
}
