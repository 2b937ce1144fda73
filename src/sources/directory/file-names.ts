/**
 * File names are bytes and need not be UTF-8. Here they are text in which each byte that is not UTF-8 is a lone surrogate, U+DC80
 * to U+DCFF, as in Python: every listed file can be opened, and no two names collide.
 */
import { isUtf8 } from 'node:buffer';
import { fileURLToPath, pathToFileURL } from 'node:url';

const escapedByte = /[\udc80-\udcff]/u;
const escapeOffset = 0xdc00;
const characterBytesMax = 4;

export function decodeName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const sizeBytes = characterSize(bytes.subarray(at));
    name +=
      sizeBytes === 0
        ? String.fromCharCode(escapeOffset + (bytes[at] ?? 0))
        : bytes.toString('utf8', at, at + sizeBytes);
    at += sizeBytes || 1;
  }
  return name;
}

/** For node:fs. */
export function encodePath(path: string): string | Buffer {
  if (!escapedByte.test(path)) return path;
  return Buffer.concat(
    Array.from(path, (character) =>
      escapedByte.test(character) ? Buffer.of(character.charCodeAt(0) - escapeOffset) : Buffer.from(character),
    ),
  );
}

/** A `file:` URL that preserves every byte of the name. */
export function pathToUrl(path: string): string {
  const bytes = encodePath(path);
  if (typeof bytes === 'string') return pathToFileURL(path).href;
  return `file://${bytes.toString('latin1').replaceAll(/[^\w/.~-]/g, percentEncoded)}`;
}

export function urlToPath(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    const latin1 = new URL(url).pathname.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    return decodeName(Buffer.from(latin1, 'latin1'));
  }
}

function percentEncoded(latin1Character: string): string {
  return `%${latin1Character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}

/** The length of the first character in bytes; 0 if it is not UTF-8. */
function characterSize(bytes: Buffer): number {
  for (let sizeBytes = 1; sizeBytes <= Math.min(characterBytesMax, bytes.length); sizeBytes++) {
    if (isUtf8(bytes.subarray(0, sizeBytes))) return sizeBytes;
  }
  return 0;
}
