/**
 * Extracts the message from the body of an error response. OTLP/HTTP specifies a google.rpc.Status in the encoding of the
 * request, but Loki sends protobuf to JSON clients too, and proxies send text or HTML. So the bytes decide, not the content type.
 */
import { readVarint } from './protobuf-fields.ts';
import { readableText } from './readable-text.ts';

/** Returns one short line; empty if the body has no message. */
export function serverMessage(body: Uint8Array): string {
  const text = statusMessage(body) ?? jsonMessage(body) ?? plainMessage(body);
  return readableText(text);
}

/** Whether the body is text, HTML or nothing: servers that store logs answer with a Status or in JSON. */
export function isPage(body: Uint8Array): boolean {
  return statusMessage(body) === undefined && !/^\s*[{[]/.test(Buffer.from(body).toString('utf8'));
}

/**
 * Parses google.rpc.Status: code = 1 (varint), message = 2 (string). It starts with the tag of one of these, which is a control
 * character that no text or JSON starts with.
 */
function statusMessage(body: Uint8Array): string | undefined {
  const codeTag = 0x08;
  const messageTag = 0x12;
  let at = 0;
  if (body[0] === codeTag) at = readVarint(body, 1).end;
  if (body[at] !== messageTag) return at > 0 ? '' : undefined;
  const length = readVarint(body, at + 1);
  return Buffer.from(body).toString('utf8', length.end, length.end + length.value);
}

/** `{"code": 3, "message": "..."}`, and the shapes that gateways use. */
function jsonMessage(body: Uint8Array): string | undefined {
  const text = Buffer.from(body).toString('utf8').trimStart();
  if (!text.startsWith('{')) return undefined;
  try {
    const { message, error } = JSON.parse(text) as { message?: unknown; error?: unknown };
    const nested = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
    return [message, nested].find((candidate) => typeof candidate === 'string');
  } catch {
    return undefined;
  }
}

function plainMessage(body: Uint8Array): string {
  const text = Buffer.from(body).toString('utf8');
  return text.trimStart().startsWith('<') ? text.replaceAll(/<[^<>]*>/g, ' ') : text;
}
