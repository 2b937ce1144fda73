/**
 * How many log records a request holds, found without reading them: the receiver of the benchmark shares its cores with
 * what is measured.
 */
import { Reader } from 'protobufjs';
import type { OtlpLogsRequest } from '../support/otlp-decode.ts';

/** Field numbers of `resource_logs`, `scope_logs` and `log_records`. */
const wayToRecords = [1, 2, 2];

export function countRecords(body: Uint8Array, contentType: string): number {
  if (contentType.startsWith('application/json')) return countInJson(JSON.parse(Buffer.from(body).toString()));
  const reader = Reader.create(body);
  return countFields(reader, reader.len, wayToRecords);
}

function countInJson({ resourceLogs }: OtlpLogsRequest): number {
  const scopes = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs);
  return scopes.reduce((sum, { logRecords }) => sum + logRecords.length, 0);
}

/** Fields with the last number of the way, in the messages that the numbers before it lead to. */
function countFields(reader: Reader, end: number, [field, ...inner]: readonly number[]): number {
  let count = 0;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 !== field) {
      reader.skipType(tag & 7);
      continue;
    }
    const length = reader.uint32();
    if (inner.length > 0) {
      count += countFields(reader, reader.pos + length, inner);
    } else {
      count++;
      reader.skip(length);
    }
  }
  return count;
}
