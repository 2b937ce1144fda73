// The tokens of JSON: where strings and numbers end, what is in a string.

export const quote: u8 = 0x22;
export const backslash: u8 = 0x5c;
export const colon: u8 = 0x3a;
export const minus: u8 = 0x2d;
export const space: u8 = 0x20;

/** Returned instead of the end of a token or value. */
export const malformed: usize = 0;

/** Properties of the string that `endOfString` found last. */
export let hasEscapes: bool = false;
export let hasEscapedQuote: bool = false;
/** Whether the number that `endOfNumber` found last is an integer of at most 15 digits. */
export let isShortInteger: bool = false;
/** False once a string contained bytes outside ASCII. */
export let isAscii: bool = true;

export function assumeAscii(): void {
  isAscii = true;
}

/** The position of the closing quote. Skips 16 bytes at a time up to a quote, a backslash or a byte outside ASCII. */
export function endOfString(start: usize): usize {
  hasEscapes = false;
  hasEscapedQuote = false;
  let at = start;
  while (true) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_s(bytes, i8x16.splat(space))));
    if (stops !== 0) {
      at += ctz(stops);
      return load<u8>(at) === quote ? at : endOfOtherString(at);
    }
    at += 16;
  }
}

/** The same, with escapes and bytes outside ASCII. */
function endOfOtherString(start: usize): usize {
  let at = start;
  while (true) {
    const bytes = v128.load(at);
    const stops = i8x16.bitmask(v128.or(quotesAndBackslashes(bytes), i8x16.lt_u(bytes, i8x16.splat(space))));
    const others = i8x16.bitmask(bytes);
    if (stops === 0) {
      if (others !== 0) isAscii = false;
      at += 16;
      continue;
    }
    const passed = ctz(stops);
    if ((others & ((1 << passed) - 1)) !== 0) isAscii = false;
    at += passed;
    const byte = load<u8>(at);
    if (byte === quote) return at;
    if (byte !== backslash) return malformed;
    hasEscapes = true;
    const letter = load<u8>(at + 1);
    if (letter === quote) hasEscapedQuote = true;
    const size = escapeSize(letter, at + 2);
    if (size === 0) return malformed;
    at += size;
  }
}

export function quotesAndBackslashes(bytes: v128): v128 {
  return v128.or(i8x16.eq(bytes, i8x16.splat(quote)), i8x16.eq(bytes, i8x16.splat(backslash)));
}

/** The size of the escape with this letter, 0 if there is none. */
function escapeSize(letter: u8, digitsAt: usize): usize {
  if (letter === 0x75) {
    for (let at = digitsAt; at < digitsAt + 4; at++) if (!isHexDigit(load<u8>(at))) return 0;
    // \u0022
    if (load<u32>(digitsAt) === 0x32323030) hasEscapedQuote = true;
    return 6;
  }
  if (letter === quote || letter === backslash || letter === 0x2f) return 2;
  // b, f, n, r, t
  return <u32>letter - 0x62 <= 18 && ((0x5_1011 >> (<u32>letter - 0x62)) & 1) === 1 ? 2 : 0;
}

export function endOfNumber(start: usize): usize {
  const firstDigit = load<u8>(start) === minus ? start + 1 : start;
  const endOfInteger = skipDigits(firstDigit);
  const digitCount = endOfInteger - firstDigit;
  if (digitCount === 0 || (digitCount > 1 && load<u8>(firstDigit) === 0x30)) return malformed;
  let at = endOfInteger;
  if (load<u8>(at) === 0x2e) {
    const firstDecimal = at + 1;
    at = skipDigits(firstDecimal);
    if (at === firstDecimal) return malformed;
  }
  if ((load<u8>(at) | 0x20) === 0x65) {
    const sign = load<u8>(at + 1);
    const firstOfExponent = sign === 0x2b || sign === minus ? at + 2 : at + 1;
    at = skipDigits(firstOfExponent);
    if (at === firstOfExponent) return malformed;
  }
  isShortInteger = at === endOfInteger && digitCount <= 15;
  return at;
}

export function skipBlanks(start: usize): usize {
  let at = start;
  while (true) {
    const byte = load<u8>(at);
    if (byte > space || (byte !== space && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) return at;
    at++;
  }
}

function skipDigits(start: usize): usize {
  let at = start;
  while (isDigit(load<u8>(at))) at++;
  return at;
}

export function isDigit(byte: u8): bool {
  return <u32>byte - 0x30 <= 9;
}

export function isHexDigit(byte: u8): bool {
  return isDigit(byte) || <u32>(byte | 0x20) - 0x61 <= 5;
}

/** True if a colon follows a quote, or if a `\u` escape may be a quote at another level: then redaction must inspect the string. */
export function mayContainKey(start: usize, end: usize): bool {
  let at = start;
  while (at < end) {
    const stops = i8x16.bitmask(quotesAndBackslashes(v128.load(at)));
    if (stops === 0) {
      at += 16;
      continue;
    }
    at += ctz(stops);
    if (at >= end) return false;
    if (load<u8>(at++) === backslash) {
      if (at < end && load<u8>(at) === 0x75) return true;
      continue;
    }
    let behindQuote = at;
    while (behindQuote < end && load<u8>(behindQuote) <= space) behindQuote++;
    if (behindQuote < end && load<u8>(behindQuote) === colon) return true;
  }
  return false;
}
