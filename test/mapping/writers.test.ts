import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import type { ReadableLogRecord } from '@opentelemetry/sdk-logs';
import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import {
  decodeLogsRequest,
  type OtlpAnyValue,
  type OtlpKeyValue,
  type OtlpLogsRequest,
  plainAttributes,
  plainValue,
  recordsOf,
} from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine, sampleRecords } from '../support/sample-lines.ts';
import { hostileLineBytes } from './hostile-records.ts';

const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
const verbatim = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} });

const hostileLines = fc.array(
  fc
    .tuple(hostileLineBytes, fc.integer({ min: 1, max: 3 }), fc.boolean())
    .map(([bytes, occurrence, isCut]) =>
      identifiedLine(bytes, { occurrence, sizeBytes: bytes.length + (isCut ? 9 : 0) }),
    ),
  { minLength: 1, maxLength: 5 },
);

describe('the protobuf and the JSON writer', () => {
  it('write the same request for any lines', () => {
    fc.assert(
      fc.property(hostileLines, (lines) => {
        for (const each of [mapper, verbatim]) {
          const json: OtlpLogsRequest = JSON.parse(text(encode(lines, 'json', each)));
          expect(decodeLogsRequest(encode(lines, 'protobuf', each))).toEqual(json);
          expect(recordsOf(json)).toHaveLength(lines.length);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('write no empty and no duplicate key, and every number in its range', () => {
    fc.assert(
      fc.property(hostileLines, (lines) => {
        for (const { record, resource } of recordsOf(decodeLogsRequest(encode(lines, 'protobuf')))) {
          checkKeyValues(record.attributes);
          checkKeyValues(resource.attributes);
        }
        expect(text(encode(lines, 'json')).isWellFormed()).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('write the same bytes for the same lines, whatever was written before', () => {
    fc.assert(
      fc.property(hostileLines, hostileLines, (lines, others) => {
        const encoder = mapper.createEncoder('protobuf');
        const first = fill(encoder, lines);
        fill(encoder, others);
        expect(Buffer.compare(fill(encoder, lines), first)).toBe(0);
        const fresh = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
        expect(Buffer.compare(encode(lines, 'protobuf', fresh), first)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });

  it('agree with the official serializers', () => {
    const lines = sampleRecords(20).map((record) => identifiedLine(record));
    const request = decodeLogsRequest(encode(lines, 'protobuf'));
    const official = readableRecords(request);
    const protobuf = ProtobufLogsSerializer.serializeRequest(official);
    const json = JsonLogsSerializer.serializeRequest(official);
    expect(protobuf).toBeDefined();
    expect(json).toBeDefined();
    expect(withoutDefaults(decodeLogsRequest(protobuf ?? new Uint8Array()))).toEqual(request);
    expect(withoutDefaults(JSON.parse(text(json ?? new Uint8Array())))).toEqual(request);
  });

  it('keep the order of the lines of one resource, and group by resource', () => {
    const lines = [1, 2, 1, 3, 2, 1].map((workspaceId, index) =>
      identifiedLine(JSON.stringify({ timestamp: 1_759_795_200_000 + index, workspaceId: `${workspaceId}` })),
    );
    for (const encoding of ['protobuf', 'json'] as const) {
      const body = encode(lines, encoding);
      const request: OtlpLogsRequest = encoding === 'json' ? JSON.parse(text(body)) : decodeLogsRequest(body);
      const times = request.resourceLogs.map(({ scopeLogs }) =>
        scopeLogs.flatMap(({ logRecords }) => logRecords.map(({ timeUnixNano }) => timeUnixNano?.slice(0, 13))),
      );
      expect(times).toEqual([
        ['1759795200000', '1759795200002', '1759795200005'],
        ['1759795200001', '1759795200004'],
        ['1759795200003'],
      ]);
    }
  });

  it('count records and bytes, and are empty when finished', () => {
    const lines = sampleRecords(50).map((record) => identifiedLine(record));
    for (const encoding of ['protobuf', 'json'] as const) {
      const encoder = mapper.createEncoder(encoding);
      for (const line of lines) encoder.append(line);
      const { recordCount, sizeBytes } = encoder;
      const body = encoder.finish();
      expect(recordCount).toBe(50);
      expect(Math.abs(body.length - sizeBytes)).toBeLessThan(1_000);
      expect([encoder.recordCount, encoder.sizeBytes]).toEqual([0, 0]);
    }
  });

  it('keep time and observed time to the nanosecond up to the year 2262', () => {
    for (const timeMs of [631_152_000_000, 1_759_795_200_123, 4_294_967_295_999, 9_223_372_036_854]) {
      const line = identifiedLine(`{"timestamp":${timeMs}}`, { observedAtMs: timeMs + 0.75 });
      const [entry] = recordsOf(decodeLogsRequest(encode([line], 'protobuf')));
      expect(entry?.record.timeUnixNano).toBe(`${timeMs}000000`);
      expect(entry?.record.observedTimeUnixNano).toBe(`${timeMs}000000`);
    }
  });

  it('send the body byte for byte when nothing may be redacted', () => {
    const body = '{ "timestamp" : 1759795200000, "é\\u00e9": 1.10, "a":1, "a":2 }';
    const [entry] = recordsOf(decodeLogsRequest(encode([identifiedLine(body)], 'protobuf', verbatim)));
    expect(entry?.record.body?.stringValue).toBe(body);
  });
});

describe('values that are nearly of their kind', () => {
  it.each([
    ['1e22', { stringValue: '1e+22' }],
    ['-8E300', { stringValue: '-8e+300' }],
    ['9007199254740993', { intValue: '9007199254740993' }],
    ['9223372036854775808', { stringValue: '9223372036854775808' }],
    ['4.04e2', undefined],
  ])('a status code of %s is valid in protobuf too', (statusCode, expected) => {
    const line = identifiedLine(`{"timestamp":1759795200000,"response":{"statusCode":${statusCode}}}`);
    const [entry] = recordsOf(decodeLogsRequest(encode([line], 'protobuf')));
    const found = entry?.record.attributes.find(({ key }) => key === 'databricks.response.status_code');
    expect(found?.value).toEqual(expected);
  });
});

describe('log.record.uid', () => {
  const uidOf = (eventId: string, occurrence = 1) => {
    const line = identifiedLine(`{"timestamp":1759795200000,"eventId":${eventId}}`, { occurrence });
    const [entry] = recordsOf(decodeLogsRequest(encode([line], 'protobuf')));
    return { uid: plainAttributes(entry?.record.attributes ?? [])['log.record.uid'], digest: line.digest };
  };

  it.each(['{"a":1}', '[]', 'null', '""', `"${'x'.repeat(129)}"`])(
    'is the digest when the id is none: %s',
    (eventId) => {
      const first = uidOf(eventId);
      expect(first.uid).toBe(first.digest);
      const second = uidOf(eventId, 2);
      expect(second.uid).toBe(`${second.digest}-2`);
    },
  );

  it("is the record's own id otherwise", () => {
    expect(uidOf('"b3f6"').uid).toBe('b3f6');
    expect(uidOf('"b3f6"', 2).uid).toBe('b3f6-2');
    expect(uidOf('12').uid).toBe('12');
  });
});

describe('lines that are made to hurt', () => {
  const sizeBytes = 1024 * 1024;
  const hostile: readonly [name: string, line: string][] = [
    [
      '60,000 keys',
      `{"timestamp":1759795200000,"requestParams":{${Array.from({ length: 60_000 }, (_, index) => `"key${index}":1`).join(',')}}}`,
    ],
    ['deep objects', '{"a":'.repeat(sizeBytes / 5)],
    [
      'deep objects that close',
      `{"requestParams":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)},"big":9007199254740993}`,
    ],
    ['deep arrays', `{"requestParams":{"list":${'['.repeat(300_000)}${']'.repeat(300_000)}}}`],
    ['quotes', '"'.repeat(sizeBytes)],
    ['keys without values', '"token":'.repeat(sizeBytes / 8)],
    ['open brackets behind keys', '"token":['.repeat(sizeBytes / 9)],
    ['backslashes', `{"token":"${'\\'.repeat(sizeBytes)}`],
    ['backslashes and quotes', '"token":\\"\\\\\\"'.repeat(sizeBytes / 14)],
    ['backslashes in front of no quote', `{"token":"\\u0022${'\\'.repeat(sizeBytes)}`],
    ['blanks', `{"token"${' '.repeat(sizeBytes)}`],
    ['one long key', `{"timestamp":1759795200000,"requestParams":{"${'aB'.repeat(sizeBytes / 2)}":1}}`],
    [
      'one long value',
      `{"timestamp":1759795200000,"sourceIPAddress":"${'1'.repeat(sizeBytes)}","userIdentity":{"email":"${'@'.repeat(1000)}"}}`,
    ],
    ['JSON in strings', nestedInStrings(12)],
  ];

  it.each(hostile)('take no more than a moment: %s', (_name, content) => {
    const line = identifiedLine(content);
    // Processor time: a machine that is busy with other things takes long for everything.
    const start = process.threadCpuUsage();
    const body = encode([line], 'protobuf');
    expect(process.threadCpuUsage(start).user).toBeLessThan(2_000_000);
    expect(recordsOf(decodeLogsRequest(body))).toHaveLength(1);
  });
});

it('a record that is nested without end is mapped like any other', () => {
  const nested = `${'['.repeat(300_000)}${']'.repeat(300_000)}`;
  const line = identifiedLine(`{"timestamp":1759795200000,"actionName":"x","requestParams":{"a":${nested},"b":1}}`);
  for (const each of [mapper, verbatim]) {
    const [entry] = recordsOf(decodeLogsRequest(encode([line], 'protobuf', each)));
    expect(entry?.record.eventName).toBe('databricks.audit');
    expect(plainAttributes(entry?.record.attributes ?? [])).toMatchObject({
      'databricks.audit.action.name': 'x',
      'databricks.request.params': { b: 1n },
      'databricks.request.truncated': true,
    });
  }
});

function nestedInStrings(levels: number): string {
  let value = '{"password":"hunter2"}';
  for (let level = 0; level < levels; level++) value = JSON.stringify({ inner: value });
  return `{"timestamp":1759795200000,"requestParams":${value}}`;
}

function encode(lines: readonly IdentifiedLine[], encoding: 'protobuf' | 'json', by = mapper): Uint8Array {
  return fill(by.createEncoder(encoding), lines);
}

function fill(encoder: ReturnType<typeof mapper.createEncoder>, lines: readonly IdentifiedLine[]): Uint8Array {
  for (const line of lines) encoder.append(line);
  return encoder.finish();
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

function checkKeyValues(entries: readonly OtlpKeyValue[]): void {
  const keys = entries.map(({ key }) => key);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).not.toContain('');
  for (const { value } of entries) checkValue(value);
}

function checkValue(value: OtlpAnyValue): void {
  expect(Object.keys(value)).toHaveLength(1);
  if (value.intValue !== undefined) expect(BigInt.asIntN(64, BigInt(value.intValue))).toBe(BigInt(value.intValue));
  if (value.doubleValue !== undefined) expect(Number.isFinite(value.doubleValue)).toBe(true);
  for (const inner of value.arrayValue?.values ?? []) checkValue(inner);
  if (value.kvlistValue !== undefined) checkKeyValues(value.kvlistValue.values);
}

/** The records as the SDK would have them. */
function readableRecords(request: OtlpLogsRequest): ReadableLogRecord[] {
  return request.resourceLogs.flatMap(({ resource, scopeLogs, schemaUrl }) => {
    const sdkResource = resourceFromAttributes(
      plain(resource.attributes),
      schemaUrl === undefined ? {} : { schemaUrl },
    );
    return scopeLogs.flatMap(({ scope, logRecords, schemaUrl: scopeSchemaUrl }) => {
      const instrumentationScope = {
        name: scope.name,
        version: scope.version,
        schemaUrl: scopeSchemaUrl,
        attributes: plain(scope.attributes ?? []),
      };
      return logRecords.map((record) => ({
        hrTime: hrTime(record.timeUnixNano),
        hrTimeObserved: hrTime(record.observedTimeUnixNano),
        severityNumber: record.severityNumber,
        severityText: record.severityText,
        body: record.body?.stringValue,
        eventName: record.eventName,
        attributes: plain(record.attributes),
        droppedAttributesCount: 0,
        resource: sdkResource,
        instrumentationScope,
      }));
    });
  }) as unknown as ReadableLogRecord[];
}

function plain(entries: readonly OtlpKeyValue[]): Record<string, never> {
  return Object.fromEntries(entries.map(({ key, value }) => [key, numbers(plainValue(value))])) as unknown as Record<
    string,
    never
  >;
}

function numbers(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(numbers);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, numbers(inner)]));
}

function hrTime(nanoseconds: string | undefined): [number, number] {
  const time = BigInt(nanoseconds ?? 0);
  return [Number(time / 1_000_000_000n), Number(time % 1_000_000_000n)];
}

/** Without the zeros that the official serializers write, and integers as strings. */
function withoutDefaults(request: unknown): unknown {
  return JSON.parse(
    JSON.stringify(request, (key, value: unknown) => {
      if (key === 'droppedAttributesCount' || key === 'flags') return undefined;
      // The official JSON repeats the resource's schema URL inside of the resource, where OTLP has no such field.
      if (key === 'resource') return { attributes: (value as { attributes: unknown }).attributes };
      return key === 'intValue' ? String(value) : value;
    }),
  );
}
