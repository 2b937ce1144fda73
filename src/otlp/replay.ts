/**
 * From records in OTLP/JSON back to a request: replays dead letters byte for byte as they were sent first.
 */
import { Buffer } from 'node:buffer';
import type { OtlpEncoding } from '../contracts/mapper.ts';
import type { OtlpKeyValue, OtlpLogs } from '../model/otlp-json.ts';
import { encodeRecordAsJson } from './json.ts';
import { encodeRecord } from './protobuf.ts';
import { createRequest, type Request } from './request.ts';

type Scope = OtlpLogs['resourceLogs'][number]['scopeLogs'][number];

/** One request with all records, in their order within each scope and resource. */
export function encodeOtlpJson(records: readonly OtlpLogs[], encoding: OtlpEncoding): Uint8Array {
  const encode = encoding === 'json' ? encodeRecordAsJson : encodeRecord;
  const requests = new Map<string, Request>();
  for (const { resourceLogs } of records) {
    for (const { resource, scopeLogs } of resourceLogs) {
      const identity = JSON.stringify(resource);
      const attributes = textsOf(resource.attributes);
      for (const scope of scopeLogs) {
        const scopeIdentity = JSON.stringify([scope.scope, scope.schemaUrl]);
        const request = requests.get(scopeIdentity) ?? requestFor(scope, encoding);
        requests.set(scopeIdentity, request);
        for (const record of scope.logRecords) {
          const encoded = encode({
            timestampNs: BigInt(record.timeUnixNano ?? '0'),
            observedAtNs: BigInt(record.observedTimeUnixNano ?? '0'),
            severity: { number: record.severityNumber, text: record.severityText },
            eventName: record.eventName,
            body: record.body.stringValue,
            attributes: record.attributes,
          });
          request.add({ identity, attributes }, encoded, 0, encoded.length);
        }
      }
    }
  }
  const bodies = [...requests.values()].map((request) => request.finish());
  return encoding === 'protobuf' ? Buffer.concat(bodies) : joinJson(bodies);
}

function requestFor({ scope, schemaUrl }: Scope, encoding: OtlpEncoding): Request {
  const { name, version, attributes } = scope;
  return createRequest(encoding, { scope: { name, version, attributes: textsOf(attributes) }, schemaUrl });
}

/** The agent gives resources and scopes no other values. */
function textsOf(attributes: readonly OtlpKeyValue[]): (readonly [string, string])[] {
  return attributes.map(({ key, value }) => [key, value.stringValue ?? ''] as const);
}

/** Protobuf messages are joined by concatenation; JSON needs its brackets. */
function joinJson(requests: readonly Uint8Array[]): Uint8Array {
  const [opening, closing] = ['{"resourceLogs":[', ']}'];
  const contents = requests.map((request) =>
    Buffer.from(request).toString('utf8').slice(opening.length, -closing.length),
  );
  return Buffer.from(`${opening}${contents.join(',')}${closing}`);
}
