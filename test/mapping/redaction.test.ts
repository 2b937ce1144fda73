import { describe, expect, it } from 'vitest';
import { createMapper, type RedactionClass } from '../../src/mapping/index.ts';
import type { IdentifiedLine } from '../../src/model/line.ts';
import { plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const secret = 'hunter2hunter2';
const sensitiveKeys = fc.constantFrom(
  ...['password', 'clientSecret', 'AWS_SECRET_ACCESS_KEY', 'x-api-key', 'dbpassword', 'spark_env_vars', 'signed_uri'],
  ...['fs.azure.account.key.store.dfs.core.windows.net', 'fs.azure.sas.logs.store.blob.core.windows.net'],
  ...['accessKeys', 'API_KEYS', 'cookies', 'token', 'refreshToken2', 'PRIVATEKEY', 'credentials'],
);
const harmlessKeys = fc.constantFrom('a', 'requestParams', 'response', 'result', 'new_cluster', 'list');

/** The secret behind a sensitive key, somewhere inside of objects, arrays, and JSON in strings. */
const hiddenSecret: fc.Arbitrary<unknown> = fc
  .tuple(
    sensitiveKeys,
    fc.array(fc.tuple(harmlessKeys, fc.constantFrom('object', 'array', 'string')), { maxLength: 5 }),
    fc.string({ maxLength: 5 }),
  )
  .map(([key, wrappings, around]) => {
    let value: unknown = { before: around, [key]: `${around}${secret}\\"${around}`, after: 1 };
    let strings = 0;
    for (const [name, wrapping] of wrappings) {
      if (wrapping === 'array') value = [value, around];
      else if (wrapping === 'object') value = { [name]: value, other: around };
      else if (strings++ < 4) value = JSON.stringify({ [name]: value });
    }
    return value;
  });

describe('redaction of secrets', () => {
  it('leaves no trace of a value behind a sensitive key, at any depth', () => {
    fc.assert(
      fc.property(hiddenSecret, (hidden) => {
        const line = JSON.stringify({
          timestamp: 1_759_795_200_000,
          serviceName: 'jobs',
          userAgent: JSON.stringify(hidden),
          requestParams: { hidden },
          response: { statusCode: 200, result: JSON.stringify(hidden) },
        });
        expect(mapped(line)).not.toContain('hunter');
      }),
      { numRuns: 1_000 },
    );
  });

  it('leaves no trace in a line that was cut or is malformed, wherever that is', () => {
    fc.assert(
      fc.property(hiddenSecret, fc.double({ min: 0.1, max: 1, noNaN: true }), fc.boolean(), (hidden, part, isCut) => {
        const line = JSON.stringify({ serviceName: 'jobs', requestParams: { hidden } });
        const beginning = line.slice(0, Math.ceil(line.length * part) - 1);
        if (beginning === '') return;
        expect(mapped(beginning, { sizeBytes: beginning.length + (isCut ? 1_000 : 0) })).not.toContain('hunter');
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['a key that comes twice', '{"password":"hunter2","password":null}'],
    ['the key with an escape', '{"password":"hunter2","p\\u0061ssword":""}'],
    ['an object in front of another one', '{"a":{"password":"hunter2"},"a":1}'],
    ['an object in an array', '[{"a":{"password":"hunter2"},"a":{}}]'],
    ['embedded JSON', JSON.stringify('{"password":"hunter2","password":true}')],
    ['embedded JSON with duplicate keys', '{"a":"{\\u0022password\\u0022:\\u0022hunter2\\u0022}","a":0}'],
  ])('leaves no trace of a value that the parser drops: %s', (_name, hidden) => {
    expect(mapped(`{"timestamp":1759795200000,"requestParams":{"hidden":${hidden}}}`)).not.toContain('hunter');
  });

  it.each([
    ['one level', String.raw`{"a":"{\u0022password\u0022:\u0022hunter2\u0022,`],
    ['two levels', String.raw`{"a":"{\u0022b\u0022:\u0022{\\u0022password\\u0022:\\u0022hunter2\\u0022`],
    ['two levels, mixed', String.raw`{"a":"{\"b\":\"{\\u0022password\\u0022:\\u0022hunter2\\u0022`],
    ['three levels', String.raw`{"a":"\u0022\\u0022{\\\\u0022password\\\\u0022:\\\\u0022hunter2\\\\u0022`],
  ])('leaves no trace in a cut line that writes quotes as .NET does: %s', (_name, beginning) => {
    expect(mapped(beginning, { sizeBytes: 1_000 })).not.toContain('hunter');
  });

  it.each([
    ['before the colon', String.raw`{"a":"{\"password\"\t:\"hunter2\"`],
    ['before the value', String.raw`{"a":"{\"password\":\r\n\t\"hunter2\"`],
    ['before a number', String.raw`{"a":"{\"pin_token\": \n 88hunter`],
    ['two levels', String.raw`{"a":"{\"b\":\"{\\\"password\\\"\\t:\\n\\\"hunter2`],
    ['quotes as .NET writes them', String.raw`{"a":"{\u0022password\u0022\t:\n\u0022hunter2`],
  ])('leaves no trace in a cut line with embedded JSON on several lines: %s', (_name, beginning) => {
    expect(mapped(beginning, { sizeBytes: 1_000 })).not.toContain('hunter');
  });

  it('leaves a cut line as it is when there is nothing to redact in it', () => {
    const beginning = String.raw`{"a":"{\u0022b\u0022:\\u0022 C:\\u0022`;
    expect(recordsOf(JSON.parse(mapped(beginning, { sizeBytes: 1_000 })))[0]?.record.body?.stringValue).toBe(beginning);
  });

  it('keeps the hash of the line as delivered', () => {
    const plain = '{"timestamp":1759795200000,"requestParams":{"password":"hunter2"}}';
    const line = identifiedLine(plain);
    expect(mapped(plain)).toContain(line.digest);
  });

  it('leaves the body byte for byte as it is when there is nothing to redact', () => {
    const body = '{ "timestamp":1759795200000, "n": 1.10, "requestParams":{"tokenId":"t","key":"k","tokenHash":"h"}}';
    expect(bodyOf(body)).toBe(body);
  });

  it('keeps all digits of the numbers in a body that it writes anew', () => {
    const body = bodyOf(
      '{"timestamp":1759795200000,"password":"x","a":12345678901234567890123,"b":9007199254740993,"c":1e400}',
    );
    expect(body).toBe(
      '{"timestamp":1759795200000,"password":"[redacted]","a":12345678901234567890123,"b":9007199254740993,"c":1e400}',
    );
  });

  it('replaces what is nested deeper than it looks', () => {
    const deep = `${'{"a":'.repeat(200)}{"password":"hunter2"}${'}'.repeat(200)}`;
    expect(mapped(`{"timestamp":1759795200000,"requestParams":${deep}}`)).not.toContain('hunter');
  });

  it('takes fields of a service from that service only, and from lines without a service', () => {
    const record = (serviceName: string | undefined) =>
      bodyOf(JSON.stringify({ timestamp: 1_759_795_200_000, serviceName, requestParams: { string_value: 'hunter2' } }));
    expect(record('secrets')).not.toContain('hunter');
    expect(record(undefined)).not.toContain('hunter');
    expect(record('jobs')).toContain('hunter2');
  });

  it.each([
    'tokenId',
    'tokenHash',
    'token_expiration_time',
    'secret_scope',
    'credential_type',
    'max_tokens',
    'publicKey',
    'key',
  ])('keeps what detection rules look for: %s', (key) => {
    expect(bodyOf(JSON.stringify({ timestamp: 1_759_795_200_000, requestParams: { [key]: 'kept' } }))).toContain(
      'kept',
    );
  });
});

describe('the classes of redaction', () => {
  const line = JSON.stringify({
    timestamp: 1_759_795_200_000,
    serviceName: 'notebook',
    requestParams: { commandText: 'SELECT 1', password: 'hunter2' },
  });

  it.each<[string, readonly RedactionClass[], string]>([
    ['none', [], '{"commandText":"SELECT 1","password":"hunter2"}'],
    ['secrets', ['secrets'], '{"commandText":"SELECT 1","password":"[redacted]"}'],
    ['commands', ['commands'], '{"commandText":"[redacted]","password":"hunter2"}'],
    ['secrets,commands', ['secrets', 'commands'], '{"commandText":"[redacted]","password":"[redacted]"}'],
  ])('%s: body and attributes agree', (_name, redact, expected) => {
    const mapper = createMapper({ layers: ['databricks-audit'], redact, resourceAttributes: {} });
    const [entry] = recordsOf(JSON.parse(mapper.toJsonLine(identifiedLine(line))));
    expect(JSON.stringify(JSON.parse(entry?.record.body?.stringValue ?? '').requestParams)).toBe(expected);
    const attributes = plainAttributes(entry?.record.attributes ?? []);
    expect(JSON.stringify(attributes['databricks.request.params'])).toBe(expected);
  });
});

const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });

function mapped(line: string, changes: Partial<IdentifiedLine> = {}): string {
  return mapper.toJsonLine(identifiedLine(line, changes));
}

function bodyOf(line: string): string | undefined {
  return recordsOf(JSON.parse(mapped(line)))[0]?.record.body?.stringValue;
}
