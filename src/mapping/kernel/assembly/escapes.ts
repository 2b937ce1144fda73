// Unescapes JSON strings.

export let hadLoneSurrogate: bool = false;

/** Writes UTF-8, with U+FFFD for lone surrogates, never longer than the source. Returns the end; may overwrite up to 15 bytes after it. */
export function unescapeTo(to: usize, start: usize, last: usize): usize {
  hadLoneSurrogate = false;
  let at = start;
  let result = to;
  while (at < last) {
    const bytes = v128.load(at);
    v128.store(result, bytes);
    const stops = i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(0x5c)));
    const passed: usize = stops === 0 ? 16 : ctz(stops);
    if (at + passed >= last) return result + (last - at);
    at += passed;
    result += passed;
    if (stops === 0) continue;
    const letter = load<u8>(at + 1);
    at += 2;
    if (letter !== 0x75) {
      store<u8>(result++, characterOf(letter));
      continue;
    }
    let code = codeUnitAt(at);
    at += 4;
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 && at + 6 <= last && load<u16>(at) === 0x755c ? codeUnitAt(at + 2) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at += 6;
      } else {
        hadLoneSurrogate = true;
        code = 0xfffd;
      }
    }
    result = storeCodePoint(result, code);
  }
  return result;
}

function characterOf(letter: u8): u8 {
  if (letter === 0x6e) return 0x0a;
  if (letter === 0x74) return 0x09;
  if (letter === 0x72) return 0x0d;
  if (letter === 0x62) return 0x08;
  return letter === 0x66 ? 0x0c : letter;
}

function codeUnitAt(at: usize): u32 {
  let code: u32 = 0;
  for (let digit = at; digit < at + 4; digit++) {
    const byte: u32 = load<u8>(digit);
    code = (code << 4) | (byte <= 0x39 ? byte - 0x30 : (byte | 0x20) - 0x57);
  }
  return code;
}

function storeCodePoint(at: usize, code: u32): usize {
  if (code < 0x80) {
    store<u8>(at, <u8>code);
    return at + 1;
  }
  const size: usize = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  let rest = code;
  for (let byte = at + size - 1; byte > at; byte--) {
    store<u8>(byte, 0x80 | <u8>(rest & 0x3f));
    rest >>= 6;
  }
  // 0xc0, 0xe0 or 0xf0, and the highest bits.
  store<u8>(at, <u8>((0xf00 >> size) | rest));
  return at + size;
}
