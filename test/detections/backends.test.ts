/**
 * The contract of a query backend, and how each writes what it can. What a real server makes of it is in
 * test/proof/servers/detections.test.ts.
 */
import { describe, expect, test } from 'vitest';
import type { QueryBackend } from '../../src/detections/backends/backend.ts';
import { elasticsearch } from '../../src/detections/backends/elasticsearch.ts';
import { logqlString, loki } from '../../src/detections/backends/loki.ts';
import { contextOf } from '../../src/detections/pack-context.ts';
import { conditionOf } from '../../src/detections/rule-file.ts';
import { loadMapping } from '../../src/mapping/index.ts';
import { conditionCases, nastyValues, sigmaValue } from './conditions.ts';

const layers = ['databricks-audit'];
const { attributeOf } = contextOf({
  layers,
  mapping: loadMapping(layers, '.'),
  serviceName: 'databricks',
  delayMs: 0,
  level: 'low',
  allInOne: false,
});

function queryOf(backend: QueryBackend, searches: Readonly<Record<string, unknown>>, condition = 'selection'): string {
  return backend.query(conditionOf({ ...searches, condition }), attributeOf);
}

const one = (field: string, value: unknown) => ({ selection: { [field]: value } });

describe.each([loki, elasticsearch])('$name', (backend) => {
  test('names attributes as the mapping does, in its own spelling', () => {
    const query = queryOf(backend, one('requestParams.script-SHA256', 'x'));
    expect(query).toContain(
      backend === loki ? 'databricks_request_params_script_SHA256' : 'databricks.request.params.script\\-SHA256',
    );
  });

  test.each(
    conditionCases.slice(
      0,
      conditionCases.findIndex(({ title }) => title.startsWith('"')),
    ),
  )('writes $title', ({ searches, condition }) => {
    expect(queryOf(backend, searches, condition)).toMatchSnapshot();
  });

  test('refuses what it would silently miss, and says why', () => {
    expect(() => queryOf(backend, one('requestParams.count|gt', 5))).toThrow(backend.name);
  });

  test('refuses a field that no attribute holds', () => {
    expect(() => queryOf(backend, one('response.headers', 'a'))).toThrow('no attribute for the field response.headers');
  });
});

describe('values with signs that mean something to a backend', () => {
  test.each(nastyValues)('Loki takes %j for itself, alone and in a list', (value) => {
    const alone = queryOf(loki, one('actionName', sigmaValue(value)));
    expect(alone).toBe(`| databricks_audit_action_name=${logqlString(value)}`);
    const listed = queryOf(loki, one('actionName', [sigmaValue(value), 'other']));
    expect(matchesOf(listed, [value, `${value}x`, `x${value}`, 'other', 'others', 'axb'])).toEqual([value, 'other']);
  });

  test.each(nastyValues)('Elasticsearch takes %j for itself', (value) => {
    const query = queryOf(elasticsearch, one('actionName', sigmaValue(value)));
    const [, quoted = ''] = /^databricks\.audit\.action\.name:"(.*)"$/s.exec(query) ?? [];
    expect(quoted.replaceAll(/\\(.)/gs, '$1')).toBe(value);
    expect(/(?<!\\)(?:\\\\)*"/.test(quoted)).toBe(false);
  });

  test.each(nastyValues)('part of a text with %j in it is looked for in full', (value) => {
    const pattern = sigmaValue(value);
    expect(matchesOf(queryOf(loki, one('userAgent|contains', pattern)), [value, `<${value}>`, 'axb', 'ab'])).toEqual([
      value,
      `<${value}>`,
    ]);
    const lucene = queryOf(elasticsearch, one('userAgent|contains', pattern));
    const [, term = ''] = /^user_agent\.original:\*(.*)\*$/s.exec(lucene) ?? [];
    expect(term.replaceAll(/\\(.)/gs, '$1')).toBe(value);
    expect(term).not.toMatch(/(?<!\\)[\s"()[\]{}:/^~!&|+]/);
  });
});

describe('regular expressions on labels, which Loki does not always anchor by itself', () => {
  test.each([
    [
      ['add', 'addUser'],
      ['addPrincipalToGroup', 'addUserToAdminGroup', 'madd'],
    ],
    [
      ['delete', 'deleteGroup'],
      ['undelete', 'deleteGroups'],
    ],
    [
      ['login', 'log'],
      ['getCatalog', 'logout', 'logi'],
    ],
  ])('%j finds nothing that begins or ends alike', (values, others) => {
    expect(matchesOf(queryOf(loki, one('actionName', values)), [...values, ...others])).toEqual(values);
  });

  test('a beginning is one, and a part may stand anywhere, over lines as well', () => {
    expect(matchesOf(queryOf(loki, one('actionName|startswith', '10.')), ['10.1', '192.0.10.1', '1001'])).toEqual([
      '10.1',
    ]);
    expect(matchesOf(queryOf(loki, one('userAgent|contains', 'b')), ['a\nb\nc'])).toEqual(['a\nb\nc']);
  });

  test.each([
    ['^svc-.*$|^.*-bot$', ['svc-a', '-bot', 'a-bot'], ['a svc-', 'svc', 'bot', '-bots']],
    ['^(a|b)c$', ['ac', 'bc'], ['a', 'c', 'bcd']],
    ['^a[|$^(]$', ['a|', 'a$', 'a^', 'a('], ['a', 'ab']],
    ['^a\\|b\\$$', ['a|b$'], ['a', 'b$', 'a|b']],
    ['^a\\\\$|^b$', ['a\\', 'b'], ['a', 'a\\|^b']],
    ['^\\++$', ['+', '++'], ['', 'a']],
    ['^a\\\\@b$', ['a\\@b'], ['a\\', 'a@b', 'a\\xb']],
    ['^a{2,3}$', ['aa', 'aaa'], ['a', 'aaaa']],
    ['^(a{10}[{9]{10}){10}$|^b{1000}$', [`${'a'.repeat(10)}${'{'.repeat(10)}`.repeat(10), 'b'.repeat(1000)], ['a']],
  ])('the expression %s means in both what it means in Sigma', (expression, found, others) => {
    const values = [...found, ...others];
    expect(values.filter((value) => new RegExp(expression).test(value))).toEqual(found);
    expect(matchesOf(queryOf(loki, one('actionName|re', expression)), values)).toEqual(found);
    const lucene = queryOf(elasticsearch, one('actionName|re', expression));
    const terms = lucene
      .replace(/^[\w.]+:\(?/, '')
      .replace(/(?<=\/)\)$/, '')
      .split(' OR ');
    const anchored = terms.map((term) => new RegExp(`^(?:${term.slice(1, -1)})$`));
    expect(values.filter((value) => anchored.some((term) => term.test(value)))).toEqual(found);
  });

  test('each expression is written with its anchors', () => {
    const query = queryOf(
      loki,
      { selection: { 'actionName|startswith': 'a' }, other: { actionName: ['b', 'c'] } },
      'selection and not other',
    );
    expect(query.match(/[=!]~`\^\(\?s:.*?\)\$`/g)).toHaveLength(2);
  });
});

describe('what a backend would silently miss is refused by name', () => {
  test.each([
    [
      elasticsearch,
      'a regular expression on a parameter',
      one('requestParams.key|re', '^a.*$'),
      'databricks.request.params.key',
    ],
    [elasticsearch, 'a range on a parameter', one('requestParams.count|gte', 5), 'databricks.request.params.count'],
    [elasticsearch, 'a range on a text', one('actionName|gte', 5), 'databricks.audit.action.name'],
    [elasticsearch, 'a whole error message', one('response.errorMessage', 'no access'), 'databricks.error.message'],
    [elasticsearch, 'words of an error message', one('response.errorMessage|contains', 'no access'), 'no access'],
    [elasticsearch, 'the beginning of an error message', one('response.errorMessage|startswith', 'Denied'), 'contains'],
    [elasticsearch, 'the end of an error message', one('response.errorMessage|endswith', 'denied'), 'contains'],
    [elasticsearch, 'a gap in part of an error message', one('response.errorMessage', '*den*ied*'), 'contains'],
    [elasticsearch, 'one character of an error message', one('response.errorMessage', '*den?ed*'), 'contains'],
    [elasticsearch, 'a text of signs in the record', { selection: ['COPY INTO', '%%%'] }, '%%%'],
    [elasticsearch, 'part of a number', one('response.statusCode|startswith', '4'), 'http.response.status_code'],
    [elasticsearch, 'a text where a number is', one('response.statusCode', 'OK'), 'http.response.status_code'],
    [elasticsearch, 'part of an address', one('sourceIPAddress|startswith', '10.'), 'client.address'],
    [elasticsearch, 'a network where no address is', one('userAgent|cidr', '10.0.0.0/8'), 'user_agent.original'],
    [elasticsearch, 'an angle bracket in part of a text', one('userAgent|contains', '<script'), '<script'],
    [elasticsearch, 'the existence of all parameters', one('requestParams|exists', true), 'databricks.request.params'],
    [loki, 'the existence of all parameters', one('requestParams|exists', true), 'databricks.request.params'],
    [loki, 'a text in all parameters', one('requestParams|contains', 'x'), 'databricks.request.params'],
    [loki, 'a range on a parameter', one('requestParams.count|gte', 5), 'databricks_request_params_count'],
    [loki, 'a range on a text', one('actionName|gte', 5), 'databricks_audit_action_name'],
    [
      loki,
      'words or something else',
      { selection: ['COPY'], other: { actionName: 'a' }, condition: '' },
      'and',
      'selection or other',
    ],
  ])('$name: %s', (backend, _, searches, named, condition = 'selection') => {
    const { condition: _unused, ...rest } = searches as Readonly<Record<string, unknown>>;
    expect(() => queryOf(backend, rest, condition)).toThrow(named);
  });

  describe.each([loki, elasticsearch])('$name', (backend) => {
    test.each(['10.0.0.0/8', 'office', '10.1.2.3:443', 'fe80::1%eth0', '10.1.2'])(
      'refuses %s for an address and names cidr, as the attribute holds plain addresses only',
      (value) => {
        expect(() => queryOf(backend, one('sourceIPAddress', ['10.1.2.3', value]))).toThrow(
          `${backend.name} holds plain IP addresses in client.address, which ${value} is not; for a network use the modifier cidr`,
        );
      },
    );

    test('compares an attribute with plain addresses', () => {
      expect(queryOf(backend, one('sourceIPAddress', ['10.1.2.3', '2001:db8::1']))).toContain('2001:db8::1');
    });
  });

  test('a comparison with a number that is an attribute works in both', () => {
    expect(queryOf(elasticsearch, one('response.statusCode|gte', 400))).toBe('http.response.status_code:>=400');
    expect(queryOf(loki, one('response.statusCode|gte', 400))).toBe('| http_response_status_code>=400 | __error__=``');
  });

  test.each([
    ['gt', '<='],
    ['gte', '<'],
    ['lt', '>='],
    ['lte', '>'],
  ])('Loki negates %s so that it holds for a record without the number', (operator, opposite) => {
    const query = queryOf(loki, one(`response.statusCode|${operator}`, 400), 'not selection');
    expect(query).toBe(
      `| (http_response_status_code=\`\` or http_response_status_code${opposite}400) | __error__=\`\``,
    );
  });

  test('Elasticsearch looks for a word as part of an error message', () => {
    expect(queryOf(elasticsearch, one('response.errorMessage|contains', ['denied', '*refused*']))).toBe(
      'databricks.error.message:(*denied* OR **refused**)',
    );
  });

  test('a time in the record and the number made of it are different attributes', () => {
    expect(attributeOf('requestParams.tokenExpirationTime').name).toBe('databricks.request.params.tokenExpirationTime');
    expect(attributeOf('otel.databricks.token.lifetime_seconds').name).toBe('databricks.token.lifetime_seconds');
  });
});

test('a pattern of search names leaves out those that begin with an underscore, as in pySigma', () => {
  const searches = { a: { actionName: 'x' }, _b: { actionName: 'y' } };
  expect(queryOf(loki, searches, '1 of *')).toBe('| databricks_audit_action_name=`x`');
  expect(queryOf(loki, searches, '1 of _*')).toBe('| databricks_audit_action_name=`y`');
});

test('what follows an escaped backslash in an expression is a character for Lucene too', () => {
  expect(queryOf(elasticsearch, one('userAgent|re', '^a\\\\@b$'))).toBe('user_agent.original:/a\\\\\\@b/');
});

test('an escaped wildcard among words is the character', () => {
  expect(queryOf(loki, { selection: ['b\\*c'] })).toBe('|~ `(?i)(?:b\\*c)`');
});

describe('what is not in the subset of Sigma is refused by name', () => {
  test.each([
    ['an expression without anchors', one('actionName|re', 'login'), '^ and $'],
    ['an expression with one anchor', one('actionName|re', '^login'), '^ and $'],
    ['what Lucene does not know', one('actionName|re', '^\\d+$'), '\\d'],
    ['a look-ahead', one('actionName|re', '^(?=a).*$'), '(?'],
    ['another modifier', one('actionName|base64', 'a'), 'base64'],
    ['a sub-modifier', one('actionName|re|i', '^a$'), 're'],
    ['an empty text', one('actionName', ''), 'empty'],
    ['all of one', one('actionName|contains|all', ['a']), 'all'],
    ['exists of a text', one('actionName|exists', 'yes'), 'true or false'],
    ['alternatives of which one has no end', one('actionName|re', '^svc-|-bot$'), 'around each of its alternatives'],
    ['an alternative without anchors', one('actionName|re', '^a$|b'), 'around each of its alternatives'],
    ['an anchor in a group', one('actionName|re', '^(a|^b)$'), '^'],
    ['a class with nothing in it', one('actionName|re', '^[]a]$'), '[]'],
    ['a class by name', one('actionName|re', '^[[:alpha:]]+$'), '[[:alpha:]'],
    ['a lazy repetition', one('actionName|re', '^a+?$'), '+?'],
    ['a group without its end', one('actionName|re', '^(a$'), '^(a$'],
    ['an expression that matches nothing at all', one('actionName|re', '^.*$'), 'empty text'],
    ['an empty alternative', one('actionName|re', '^prod(|-x)$'), '(|'],
    ['a repetition without its least', one('actionName|re', '^a{,3}$'), '{,'],
    ['more repetitions than RE2 takes', one('actionName|re', '^a{1001}$'), '{1'],
    ['nested repetitions that RE2 multiplies', one('actionName|re', '^(a{100}){100}$'), 'at most 1000 repetitions'],
    [
      'repetitions that are nested twice, in an alternative',
      one('actionName|re', '^b$|^x(b|(ca{10,}\\{){10}e){0,11}$'),
      'at most 1000 repetitions',
    ],
    ['an escaped letter', one('actionName|re', '^\\é$'), '\\é'],
    ['exists with another modifier', one('actionName|exists|contains', true), 'only modifier'],
    ['part of null', one('actionName|contains', null), 'expected a value'],
    ['a number that YAML has rounded', one('requestParams.id', 2 ** 63), 'in quotes'],
    ['words with wildcards', { selection: ['adm*n'] }, 'without wildcards'],
    ['an empty word', { selection: ['a', ''] }, 'without wildcards'],
    ['no words at all', { selection: [] }, 'at least one'],
  ])('%s', (_, searches, named) => {
    expect(() => conditionOf({ ...searches, condition: 'selection' })).toThrow(named);
  });

  test.each([
    '10.0.0.1',
    '999.0.0.0/99',
    '999.0.0.0/8',
    '10.0.0/8',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/',
    '2001:db8::/129',
    'fe80::1%eth0/64',
    '2001:db8:::/32',
    'example.com/8',
  ])('%s, which is no network', (value) => {
    expect(() => conditionOf({ ...one('sourceIPAddress|cidr', value), condition: 'selection' })).toThrow(
      `selection.sourceIPAddress|cidr: expected a network such as 10.0.0.0/8 or 2001:db8::/32, got ${value}`,
    );
  });

  test.each([
    'selection or',
    'selection selection',
    '(selection',
    'other',
    '2 of selection',
    '1 of other_*',
    'count() > 5',
  ])('the condition %j', (condition) => {
    expect(() => conditionOf({ ...one('actionName', 'a'), condition })).toThrow(JSON.stringify(condition));
  });
});

/** The values that the one label filter of a query holds for, as Prometheus' matchers try them. */
function matchesOf(query: string, values: readonly string[]): string[] {
  const [, literal = ''] = /[a-z_]+=~(.*)$/s.exec(query) ?? /[a-z_]+=(.*)$/s.exec(query) ?? [];
  const text: string = literal.startsWith('`') ? literal.slice(1, -1) : JSON.parse(literal);
  const expression = new RegExp(text, 's');
  return values.filter((value) => expression.test(value));
}
