/**
 * A row of the table as a line of JSON. The agent writes the line itself, so that the same row always gives the same bytes: columns and
 * keys are sorted, and nulls and empty structures are left out.
 */
import { Buffer } from 'node:buffer';
import { isJsonObject, type JsonObject, type JsonValue, parseJson } from '../../runtime/exact-json.ts';

/** Without one of these, no row is an audit event that a rule can find. */
export const auditColumns = [
  'event_time',
  'event_date',
  'event_id',
  'service_name',
  'action_name',
  'workspace_id',
  'user_identity',
  'request_params',
  'response',
];

/** `event_id` comes first, so that a line can be identified without parsing it, also one that is cut. */
const identityStart = '{"event_id":"';

/**
 * Ends with a line feed. Throws a SyntaxError if the row is not a JSON object.
 * @param json the whole row, as the warehouse writes it.
 */
export function toLine(eventTimeMicros: bigint, eventId: string | undefined, json: string): string {
  const { event_id: _, event_time: __, ...columns } = rowOf(json);
  const identity = eventId === undefined ? {} : { event_id: eventId };
  return `${JSON.stringify({ ...identity, event_time: isoMicros(eventTimeMicros), ...withoutNothing(columns) })}\n`;
}

/** The `event_id` of a line that `toLine` wrote; undefined if it has none. */
export function eventIdOf(line: Uint8Array): string | undefined {
  const text = Buffer.from(line.buffer, line.byteOffset, Math.min(line.length, eventIdBytesMax)).toString();
  if (!text.startsWith(identityStart)) return undefined;
  const [quoted] = /^"(?:[^"\\]|\\.)*"/.exec(text.slice(identityStart.length - 1)) ?? [];
  return quoted === undefined ? undefined : String(JSON.parse(quoted));
}

/** Ids have 32 characters in Databricks' examples. */
const eventIdBytesMax = 1024;

function rowOf(json: string): JsonObject {
  const row = parseJson(json);
  if (!isJsonObject(row)) throw new SyntaxError('the row is not a JSON object');
  return row;
}

/** ISO 8601 in UTC with microseconds: `2026-11-30T08:00:00.123456Z`. */
export function isoMicros(micros: bigint): string {
  const millis = micros >= 0n ? micros / 1000n : -((999n - micros) / 1000n);
  const rest = String(micros - millis * 1000n).padStart(3, '0');
  return new Date(Number(millis)).toISOString().replace('Z', `${rest}Z`);
}

function withoutNothing(value: JsonObject): JsonObject {
  const entries = Object.entries(value).flatMap(([key, inner]): [string, JsonValue][] => {
    const kept = isJsonObject(inner) ? withoutNothing(inner) : inner;
    const isNothing = kept === null || kept === undefined || (isJsonObject(kept) && Object.keys(kept).length === 0);
    return isNothing ? [] : [[key, kept]];
  });
  return Object.fromEntries(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}
