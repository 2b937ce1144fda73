/**
 * One mapping for all shapes of Databricks audit logs: the same event comes out with the same attributes, and a secret comes out of none.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { decodeLogsRequest, plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { fc } from '../support/property-tests.ts';
import { identifiedLine } from '../support/sample-lines.ts';
import { type SampleEvent, shapes } from './shapes.ts';

/** What only one shape has, and the uid, which is the id of the record or the digest of its line. */
const ofOneShape = ['log.record.uid', 'elasticsearch.document_id', 'azure.operation.name', 'azure.category'];

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }),
  fc.constantFrom('"', '\\', '\n', '{', '{"a":1}'),
);
const maybe = (value: fc.Arbitrary<string>) => fc.option(value, { nil: null });
const action = fc.constantFrom(
  ['accounts', 'login'],
  ['accounts', 'generateDbToken'],
  ['accounts', 'accountIpAclsValidationFailed'],
  ['secrets', 'putSecret'],
  ['databrickssql', 'commandSubmit'],
  ['jobs', 'runSucceeded'],
);
const key = fc.oneof(
  fc.constantFrom(
    'user',
    'sourceIpAddress',
    'tokenExpirationTime',
    'commandText',
    'string_value',
    'password',
    'targetGroupName',
  ),
  fc.string({ unit: fc.constantFrom('a', 'B', '_', '.'), minLength: 1, maxLength: 6 }),
);
const parameter = fc.oneof(
  text,
  fc.emailAddress(),
  fc.ipV4(),
  fc.constantFrom('1790000000000', '{"token":"t","b":"c"}', 'x'.repeat(20_000)),
);
const event: fc.Arbitrary<SampleEvent> = fc
  .record({
    timeSeconds: fc.integer({ min: 631_152_000, max: 9_000_000_000 }),
    action,
    email: maybe(fc.oneof(fc.emailAddress(), fc.uuid(), fc.constantFrom('System-User', 'unknown'))),
    subjectName: maybe(text),
    sourceIpAddress: maybe(fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom('10.0.0.1:443', 'unknown'))),
    userAgent: maybe(text),
    sessionId: maybe(text),
    requestId: maybe(text),
    requestParams: fc.dictionary(key, parameter, { maxKeys: 70 }),
    statusCode: fc.constantFrom(200, 400, 401, 403, 500, 1),
    errorMessage: maybe(text),
    result: maybe(fc.oneof(text, fc.constant('{"token_value":"t"}'))),
  })
  .map(({ action: [serviceName = '', actionName = ''], requestParams, ...rest }) => ({
    ...rest,
    serviceName,
    actionName,
    requestParams: Object.fromEntries(Object.entries(requestParams).toSorted()),
  }));

describe.each([
  [['databricks-audit'], ['secrets']],
  [['databricks-audit', 'loki'], []],
  [
    ['databricks-audit', 'elastic'],
    ['secrets', 'commands'],
  ],
] as const)('with %j and %j redacted', (layers, redact) => {
  const mapper = createMapper({ layers, redact, resourceAttributes: {} });
  const recordOf = (record: object) => {
    const encoder = mapper.createEncoder('protobuf');
    encoder.append(identifiedLine(JSON.stringify(record)));
    const [entry] = recordsOf(decodeLogsRequest(encoder.finish()));
    if (entry === undefined) throw new Error('no record');
    const attributes = plainAttributes(entry.record.attributes);
    for (const name of ofOneShape) delete attributes[name];
    const { timeUnixNano, severityText, eventName } = entry.record;
    return { timeUnixNano, severityText, eventName, attributes };
  };

  it('the same event has the same attributes, time and severity in every shape', () => {
    fc.assert(
      fc.property(event, (sample) => {
        const [first, ...others] = Object.values(shapes).map((shape) => recordOf(shape(sample)));
        expect(first?.eventName).toBe('databricks.audit');
        for (const other of others) expect(other).toEqual(first);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a secret', () => {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const secret = 'S3CR3T-value';
  const carriers: readonly [name: string, serviceName: string, requestParams: Record<string, string>][] = [
    ['under a sensitive key', 'jobs', { password: secret }],
    ['in JSON in a parameter', 'jobs', { settings: JSON.stringify({ a: [{ api_key: secret }] }) }],
    ['two levels of JSON deep', 'jobs', { settings: JSON.stringify({ a: JSON.stringify({ token: secret }) }) }],
    ['under a key of its service', 'secrets', { string_value: secret }],
    ['in JSON that was cut', 'jobs', { settings: `{"token":"${secret}` }],
  ];

  it.each(carriers)('%s leaves the process in no shape', (_, serviceName, requestParams) => {
    const sample = { ...fc.sample(event, { seed: 1, numRuns: 1 })[0], serviceName, requestParams } as SampleEvent;
    for (const [name, shape] of Object.entries(shapes)) {
      const line = JSON.stringify(shape(sample));
      expect(line, name).toContain(secret);
      const record = mapper.toJsonLine(identifiedLine(line));
      expect(record, name).not.toContain(secret);
      expect(record, name).toContain('[redacted]');
      // A cut line is masked as text.
      const cut = identifiedLine(line.slice(0, -2), { sizeBytes: 2_000_000 });
      expect(mapper.toJsonLine(cut), name).not.toContain(secret);
    }
  });

  it('of one service is no secret of another', () => {
    const sample = {
      ...fc.sample(event, { seed: 1, numRuns: 1 })[0],
      serviceName: 'jobs',
      requestParams: { string_value: 'plain' },
    } as SampleEvent;
    for (const shape of Object.values(shapes)) {
      expect(mapper.toJsonLine(identifiedLine(JSON.stringify(shape(sample))))).toContain('plain');
    }
  });
});

describe('the resource', () => {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: [], resourceAttributes: {} });
  const resourceOf = (record: object, workspaceId: string | undefined, hasWorkspaceName?: true) => {
    const line = identifiedLine(JSON.stringify(record));
    const origin = { ...line.origin, workspaceId, hasWorkspaceName };
    const { resourceLogs } = JSON.parse(mapper.toJsonLine({ ...line, origin }));
    return plainAttributes(resourceLogs[0].resource.attributes);
  };
  const sample = fc.sample(event, { seed: 2, numRuns: 1 })[0] as SampleEvent;
  const azure = shapes['Azure with strings']?.(sample) ?? {};

  it('on Azure is the resource id, and has no id of a workspace that is only a name', () => {
    const id = '/SUBSCRIPTIONS/A/RESOURCEGROUPS/B/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/C';
    for (const name of ['C', '2024', undefined]) {
      expect(resourceOf(azure, name, true)).toEqual({
        'service.name': 'databricks',
        'service.instance.id': id,
        'cloud.resource_id': id,
      });
    }
    expect(resourceOf({ ...azure, workspaceId: '7' }, '2024', true)).toMatchObject({ 'databricks.workspace.id': '7' });
  });

  it('of a record that cannot be read is the workspace of its path', () => {
    for (const name of ['C', '2024']) {
      expect(resourceOf([], name, true)).toEqual({ 'service.name': 'databricks', 'service.instance.id': name });
    }
    expect(resourceOf([], '12')).toMatchObject({ 'service.instance.id': '12', 'databricks.workspace.id': '12' });
  });

  it('of a row and of a delivered record are the same', () => {
    const row = { ...shapes['system table']?.(sample), workspace_id: '7', account_id: 'a' };
    const delivered = { ...shapes['log delivery']?.(sample), workspaceId: '7', accountId: 'a' };
    expect(resourceOf(row, undefined)).toEqual(resourceOf(delivered, undefined));
  });
});

describe('what is no record of Databricks', () => {
  const mapper = createMapper({ layers: ['databricks-audit'], redact: ['secrets'], resourceAttributes: {} });
  const reasonOf = (line: string) => {
    const [record] = JSON.parse(mapper.toJsonLine(identifiedLine(line))).resourceLogs[0].scopeLogs[0].logRecords;
    const { 'databricks.audit.unparsed.reason': reason } = plainAttributes(record.attributes);
    return { eventName: record.eventName, reason, body: record.body.stringValue };
  };
  const unparsed = 'databricks.audit.unparsed';

  it('is shipped whole, with a reason that names the problem', () => {
    const envelope = '{"records":[{"time":"2025-05-15T15:58:35Z"}]}';
    expect(reasonOf(envelope)).toEqual({
      eventName: unparsed,
      reason: 'an envelope of several records',
      body: envelope,
    });
    const foreign = readFileSync(new URL('../mappings/foreign-records/input.jsonl', import.meta.url), 'utf8').trim();
    const immuta = foreign.split('\n').at(-1) ?? '';
    expect(reasonOf(immuta)).toEqual({ eventName: unparsed, reason: 'no timestamp', body: immuta });
    expect(reasonOf('{"records":"none"}').reason).toBe('no timestamp');
    expect(reasonOf('{"timestamp":"2025-05-15T15:58:35"}').reason).toBe(
      'timestamp is neither Unix milliseconds nor ISO 8601 with a zone from 1990 to 2262',
    );
    expect(reasonOf('{"timestamp":1759795200}').reason).toBe('timestamp is not in Unix milliseconds from 1990 to 2262');
  });

  it('is a record all the same if it has a time of its own beside a field of that name', () => {
    expect(reasonOf('{"time":"2025-05-15T15:58:35Z","records":[]}').eventName).toBe('databricks.audit');
  });
});
