import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createMapper } from '../../src/mapping/index.ts';
import { AgentError } from '../../src/model/agent-error.ts';
import { plainAttributes, recordsOf } from '../support/otlp-decode.ts';
import { identifiedLine } from '../support/sample-lines.ts';

const workingDirectory = mkdtempSync(join(tmpdir(), 'mapping-file-'));
afterAll(() => rmSync(workingDirectory, { recursive: true }));

const record =
  '{"timestamp":1759795200000,"workspaceId":"1","serviceName":"jobs","actionName":"run","requestParams":{"a":1}}';

describe('layers of a mapping', () => {
  it('add, replace and remove attributes by their name', () => {
    const { attributes } = mapWith(`
version: ours.1
attributes:
  databricks.audit.service.name: { from: actionName }
  databricks.audit.outcome: null
  ours.team: { value: security }
  ours.first: { from: requestParams.a, as: integer }
  ours.when:
    - { value: jobs, when: { service: [jobs], action: present } }
    - { value: other }
  ours.not: { value: 1, when: { service: { not: [accounts, other] }, status: { not: [401] } } }
  ours.not_these: { value: 1, when: { service: { not: [accounts, jobs] } } }
`);
    expect(attributes).toMatchObject({
      'databricks.audit.service.name': 'run',
      'ours.team': 'security',
      'ours.first': 1n,
      'ours.when': 'jobs',
      'ours.not': 1n,
    });
    expect(attributes).not.toHaveProperty('ours.not_these');
    expect(attributes).not.toHaveProperty('databricks.audit.outcome');
  });

  it('change resource, scope and event', () => {
    const { resource, scope, eventName } = mapWith(`
version: ours.1
event: ours.audit
scope: { attributes: { encoding.format: null, data_stream.dataset: ours } }
resource:
  service.instance.id: null
  cloud.region: { value: us-west-2 }
`);
    expect(resource).toEqual({
      'service.name': 'databricks',
      'databricks.workspace.id': '1',
      'cloud.region': 'us-west-2',
    });
    expect(scope).toEqual({
      name: 'databricks-audit-otel',
      version: 'ours.1',
      attributes: [{ key: 'data_stream.dataset', value: { stringValue: 'ours' } }],
    });
    expect(eventName).toBe('ours.audit');
  });

  it('extend redaction and cannot take it back', () => {
    const { attributes } = mapWith('redact: { secrets: { phrases: [pin code] } }\nattributes: {}\n', {
      params: '{"pinCode":1234,"password":"x"}',
    });
    expect(attributes['databricks.request.params']).toEqual({ pinCode: '[redacted]', password: '[redacted]' });
  });

  it('make a map of an object that is inside a string with JSON', () => {
    const layer = 'attributes: { inner: { from: requestParams.inner, as: map } }\n';
    for (const inner of [{ a: 1 }, JSON.stringify({ a: 1 })]) {
      const params = JSON.stringify(JSON.stringify({ inner }));
      expect(mapWith(layer, { params }).attributes.inner).toEqual({ a: 1n });
    }
  });

  it('are overridden by configured resource attributes', () => {
    const mapper = createMapper({
      layers: ['databricks-audit'],
      redact: [],
      resourceAttributes: { 'service.name': 'audit', 'deployment.environment.name': 'production' },
    });
    const [entry] = recordsOf(JSON.parse(mapper.toJsonLine(identifiedLine(record))));
    expect(plainAttributes(entry?.resource.attributes ?? [])).toEqual({
      'service.name': 'audit',
      'deployment.environment.name': 'production',
      'service.instance.id': '1',
      'databricks.workspace.id': '1',
    });
  });
});

describe('mistakes in a mapping file', () => {
  it('are all reported at once, with place, expectation and value', () => {
    const message = mistakesIn(`versoin: 1
event: ''
unparsed: { event: x, severity: LOUD }
attributes:
  user.email:
    from: userIdentity.email
    as: emale
  a.b:
    - { value: 1, when: { status: often } }
    - { from: $nothing }
  c.d: { form: x }
  e.f: { from: x, value: 1 }
limits: { textBytes: 0, flag: x }
redact: { passwords: {} }
`);
    const keysOfRule =
      'a key of a rule (from, as, value, when, limits, flag, distinctNames, brief, why) or a list of rules';
    expect(message.split('\n')).toEqual([
      'The mapping has 11 mistakes:',
      expect.stringMatching(
        /^ {2}ours\.yaml:1:1: versoin: expected a key of a mapping: version, schemaUrl, .*, got 1$/,
      ),
      '  ours.yaml:2:1: event: expected a non-empty string, got ""',
      '  ours.yaml:3:23: unparsed.severity: expected one of TRACE, DEBUG, INFO, WARN, ERROR, FATAL, got "LOUD"',
      expect.stringMatching(
        /^ {2}ours\.yaml:7:5: attributes\.user\.email\.as: expected one of string, .*, got "emale"$/,
      ),
      expect.stringMatching(
        /^ {2}ours\.yaml:9:27: attributes\.a\.b\.0\.when\.status: expected present, .*, got "often"$/,
      ),
      expect.stringMatching(/^ {2}ours\.yaml:10:9: attributes\.a\.b\.1\.from: expected a path .*, got "\$nothing"$/),
      '  ours.yaml:11:3: attributes.c.d: expected either from or value, got {"form":"x"}',
      `  ours.yaml:11:10: attributes.c.d.form: expected ${keysOfRule}, got "x"`,
      '  ours.yaml:12:3: attributes.e.f: expected either from or value, got {"from":"x","value":1}',
      '  ours.yaml:13:11: limits.textBytes: expected a whole number of at least 4, got 0',
      '  ours.yaml:14:11: redact.passwords: expected a key of secrets, commands, got {}',
    ]);
  });

  it('are found across the layers', () => {
    const message = mistakesIn(`attributes:
  a: { value: x, when: { nothing: present } }
  b: { from: x, flag: a }
`);
    expect(message).toContain(
      'ours.yaml:2:26: attributes.a.when: expected one of the facts service, status, error, action, got "nothing"',
    );
    expect(message).toContain('attributes.b.flag: expected a name of its own, got "a"');
  });

  it('are ranges that end before they begin', () => {
    expect(mistakesIn('attributes:\n  a: { value: x, when: { status: 599..400 } }\n')).toContain(
      'ours.yaml:2:26: attributes.a.when.status: expected present, absent, a range such as 400..599',
    );
  });

  it('are phrases that would redact everything, or nothing', () => {
    const message = mistakesIn(`redact:
  secrets:
    phrases: ['123', '密码', 'мой token', PIN code, oauth2-key]
    harmlessLastWords: [Name, key id, name]
`);
    expect(message.split('\n').slice(1)).toEqual([
      '  ours.yaml:3:15: redact.secrets.phrases.0: expected words of the letters a to z, got "123"',
      '  ours.yaml:3:22: redact.secrets.phrases.1: expected words of the letters a to z, got "密码"',
      '  ours.yaml:3:28: redact.secrets.phrases.2: expected words of the letters a to z, got "мой token"',
      '  ours.yaml:4:25: redact.secrets.harmlessLastWords.0: expected one word of the letters a to z, in lower case, got "Name"',
      '  ours.yaml:4:31: redact.secrets.harmlessLastWords.1: expected one word of the letters a to z, in lower case, got "key id"',
    ]);
  });

  it('are found in the YAML itself', () => {
    expect(mistakesIn('attributes:\n  a: { from: x }\n  a: { from: y }\n')).toMatch(
      /ours\.yaml:3:3: expected YAML, got: .*unique/,
    );
    expect(mistakesIn('a: [1\nb: 2\n')).toMatch(/ours\.yaml:\d+:\d+: expected YAML/);
    expect(mistakesIn('attributes:\n  {{ .Values.name }}: { from: x }\n')).toMatch(
      /ours\.yaml:2:\d: expected YAML, got: a map, .* as a key, .*template that was not filled in/,
    );
    expect(mistakesIn('just text')).toContain('the file: expected a mapping');
  });

  it('include unknown names and files that cannot be read, beside the mistakes of other layers', () => {
    writeFileSync(join(workingDirectory, 'ours.yaml'), 'verion: 1\n');
    const message = messageOf(['databricks-audit', 'elastik', './missing.yaml', 'ours.yaml']);
    expect(message).toContain(
      'expected one of the built-in mappings databricks-audit, elastic, immuta-audit, immuta-elastic, loki, or a path with a / or a ., got "elastik"',
    );
    expect(message).toContain('"./missing.yaml": expected a readable file');
    expect(message).toContain('verion');
  });

  it('include what no layer says', () => {
    writeFileSync(join(workingDirectory, 'ours.yaml'), 'event: ours.audit\n');
    expect(messageOf(['./ours.yaml'])).toContain('timestamp: expected in one of the layers, got nothing');
  });

  it.each(['loki', 'elastic', './ours.yaml'])('are layers without a mapping that they change: %s', (name) => {
    writeFileSync(join(workingDirectory, 'ours.yaml'), 'version: ours.1\nattributes: { a: { from: b } }\n');
    expect(messageOf([name])).toBe(
      'The mapping has a mistake:\n  the layers: expected databricks-audit or immuta-audit first, as in databricks-audit,./ours.yaml, got only layers that change a mapping',
    );
  });

  it('include keys and values that are no Unicode, which would become the same key', () => {
    const message = mistakesIn('attributes: { "\\ud800": { from: a }, "\\udfff": { from: a } }\nevent: "a\\ud800"\n');
    expect(message.match(/lone surrogates/g)).toHaveLength(3);
  });

  it('include paths that could be spelled in too many ways, or are too long', () => {
    const ways = Array(7).fill('a|b').join('.');
    const expected = 'expected a path of at most 32 segments with at most 64 spellings';
    expect(mistakesIn(`attributes: { x: { from: ${ways} } }`)).toContain(expected);
    expect(mistakesIn(`attributes: { x: { from: ${Array(33).fill('a').join('.')} } }`)).toContain(expected);
  });

  it('include values that are no integer in JavaScript', () => {
    expect(mistakesIn('attributes: { a: { value: -9007199254740993 } }')).toMatch(
      /attributes\.a\.value: expected a (text, )?.*whole number/,
    );
  });

  it('never put control characters into the message', () => {
    expect(mistakesIn('"e\\e[31mvil": 1\nevent: "\\e[31m"\nversion: ["\\e"]\n')).not.toContain('\u001b');
  });
});

function mapWith(yaml: string, { params = '{"a":1}' } = {}) {
  writeFileSync(join(workingDirectory, 'ours.yaml'), yaml);
  const mapper = createMapper({
    layers: ['databricks-audit', './ours.yaml'],
    redact: ['secrets'],
    resourceAttributes: {},
    workingDirectory,
  });
  const [entry] = recordsOf(JSON.parse(mapper.toJsonLine(identifiedLine(record.replace('{"a":1}', params)))));
  return {
    attributes: plainAttributes(entry?.record.attributes ?? []),
    resource: plainAttributes(entry?.resource.attributes ?? []),
    scope: entry?.scope,
    eventName: entry?.record.eventName,
  };
}

function mistakesIn(yaml: string): string {
  writeFileSync(join(workingDirectory, 'ours.yaml'), yaml);
  return messageOf(['databricks-audit', 'ours.yaml']);
}

function messageOf(layers: readonly string[]): string {
  try {
    createMapper({ layers, redact: [], resourceAttributes: {}, workingDirectory });
  } catch (error) {
    if (error instanceof AgentError && error.code === 'ERR_MAPPING_FILE') return error.message;
    throw error;
  }
  return 'no mistakes';
}
