/**
 * A record that needs no mapping any more, as a line for the exporter: a dead letter that is sent again, a notice of the
 * agent's own. Its bytes are its OTLP/JSON.
 */
import type { IdentifiedLine } from './line.ts';
import type { ObjectId, ObjectOrigin } from './object.ts';

const origin: ObjectOrigin = {
  id: 'record:' as ObjectId,
  fileName: '',
  bucket: undefined,
  key: undefined,
  workspaceId: undefined,
  date: undefined,
};

/** @param jsonLine one record as `{"resourceLogs":[...]}`. */
export function recordLine(jsonLine: string): IdentifiedLine {
  const bytes = Buffer.from(jsonLine);
  return { bytes, sizeBytes: bytes.length, origin, digest: '', occurrence: 1, observedAtMs: 0 };
}

/** The record of such a line; undefined for a line that was delivered. */
export function recordOf(line: IdentifiedLine): string | undefined {
  return line.origin === origin ? Buffer.from(line.bytes).toString() : undefined;
}
