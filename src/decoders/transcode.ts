/**
 * Transcodes UTF-16 and UTF-32 to UTF-8, which everything after the decoder expects: in another encoding no key would be
 * recognised and no secret redacted.
 */
import type { ByteReader } from './byte-reader.ts';

export type WideEncoding = 'utf-16le' | 'utf-16be' | 'utf-32le' | 'utf-32be';

const marks: readonly (readonly [WideEncoding, readonly number[]])[] = [
  ['utf-32le', [0xff, 0xfe, 0x00, 0x00]],
  ['utf-32be', [0x00, 0x00, 0xfe, 0xff]],
  ['utf-16le', [0xff, 0xfe]],
  ['utf-16be', [0xfe, 0xff]],
];

/** Without a byte order mark: which bytes of two ASCII characters are not zero. JSON in UTF-8 has no zero bytes. */
const patterns: readonly (readonly [WideEncoding, readonly boolean[]])[] = [
  ['utf-32le', [true, false, false, false, true, false, false, false]],
  ['utf-32be', [false, false, false, true, false, false, false, true]],
  ['utf-16le', [true, false, true, false]],
  ['utf-16be', [false, true, false, true]],
];

/** Undefined for UTF-8 and for anything that is not text. */
export function wideEncodingOf(firstBytes: Uint8Array): WideEncoding | undefined {
  const isMarked = ([, mark]: (typeof marks)[number]) => mark.every((byte, index) => firstBytes[index] === byte);
  const isPatterned = ([, pattern]: (typeof patterns)[number]) =>
    pattern.every((isText, index) => (isText ? isAscii(firstBytes[index] ?? 0) : firstBytes[index] === 0));
  return (marks.find(isMarked) ?? patterns.find(isPatterned))?.[0];
}

/** Invalid sequences become U+FFFD. */
export async function* transcode(
  reader: ByteReader,
  encoding: WideEncoding,
): AsyncGenerator<Uint8Array, void, undefined> {
  const decoder: TextDecoding =
    encoding === 'utf-16le' || encoding === 'utf-16be'
      ? new TextDecoder(encoding)
      : new Utf32Decoder(encoding === 'utf-32le');
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) {
    const text = decoder.decode(chunk, { stream: true });
    if (text !== '') yield Buffer.from(text);
  }
  const rest = decoder.decode();
  if (rest !== '') yield Buffer.from(rest);
}

interface TextDecoding {
  decode(bytes?: Uint8Array, options?: { readonly stream: boolean }): string;
}

const replacement = '\ufffd';

/** The part of TextDecoder used here, for an encoding that TextDecoder lacks. */
class Utf32Decoder implements TextDecoding {
  readonly #isLittleEndian: boolean;
  #rest: Uint8Array = new Uint8Array(0);
  #atStart = true;

  constructor(isLittleEndian: boolean) {
    this.#isLittleEndian = isLittleEndian;
  }

  decode(bytes: Uint8Array = new Uint8Array(0), { stream } = { stream: false }): string {
    const all = Buffer.concat([this.#rest, bytes]);
    const wholeBytes = all.length - (all.length % 4);
    this.#rest = all.subarray(wholeBytes);
    const characters: string[] = [];
    for (let offset = 0; offset < wholeBytes; offset += 4) {
      characters.push(toCharacter(this.#isLittleEndian ? all.readUInt32LE(offset) : all.readUInt32BE(offset)));
    }
    if (!stream && this.#rest.length > 0) characters.push(replacement);
    const text = characters.join('');
    const isMarked = this.#atStart && text.startsWith('\ufeff');
    if (text !== '') this.#atStart = false;
    return isMarked ? text.slice(1) : text;
  }
}

function toCharacter(codePoint: number): string {
  const isCharacter = codePoint <= 0x10ffff && !(codePoint >= 0xd800 && codePoint <= 0xdfff);
  return isCharacter ? String.fromCodePoint(codePoint) : replacement;
}

function isAscii(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}
