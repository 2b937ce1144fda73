/**
 * Reads the fields of small protobuf messages (protobuf.dev/programming-guides/encoding).
 */
export interface ProtobufField {
  readonly number: number;
  /** A varint, or the bytes of a string or message. */
  readonly value: number | Uint8Array;
}

/** Ends at the first thing that is no field, such as the end of a truncated message. */
export function* protobufFields(message: Uint8Array): Iterable<ProtobufField> {
  for (let at = 0; at < message.length; ) {
    const tag = readVarint(message, at);
    const wireType = tag.value % 8;
    const content = readVarint(message, tag.end);
    const end = wireType === 2 ? content.end + content.value : content.end;
    if ((wireType !== 0 && wireType !== 2) || end > message.length) return;
    yield {
      number: Math.floor(tag.value / 8),
      value: wireType === 0 ? content.value : message.subarray(content.end, end),
    };
    at = end;
  }
}

/** Stops at the end of a truncated message. */
export function readVarint(message: Uint8Array, start: number): { value: number; end: number } {
  let value = 0;
  for (let at = start; ; at++) {
    const byte = message[at];
    if (byte === undefined) return { value, end: at };
    value += (byte & 0x7f) * 2 ** (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
}
