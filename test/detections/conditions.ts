/**
 * Conditions of every kind that the compiler takes, and records that are easily mistaken for each other. In the process they
 * are written by both backends; on real servers both have to find what `matcher.ts` finds.
 */

export interface ConditionCase {
  readonly title: string;
  readonly searches: Readonly<Record<string, unknown>>;
  readonly condition: string;
}

/** Values with signs that mean something in LogQL, Lucene, RE2 or YAML. */
export const nastyValues = [
  'a"b',
  'a`b',
  'a\\b',
  'a.b',
  'a|b',
  'a(b)',
  'a b',
  'a\nb',
  'a/b',
  'a:b',
  'a{b}',
  'AND',
  'a$b^',
  '[a]',
  'a&&b',
  'a*b',
  'a?b',
  'über',
] as const;

/** As a rule writes a value that is to be taken for itself. */
export function sigmaValue(text: string): string {
  return text.replaceAll(/[\\*?]/g, '\\$&');
}

const selection = (field: string, value: unknown, condition = 'selection') => ({
  searches: { selection: { [field]: value } },
  condition,
});
const two = { selection: { actionName: 'login' }, other: { serviceName: 'accounts' } };

export const conditionCases: readonly ConditionCase[] = [
  { title: 'one value', ...selection('actionName', 'login') },
  { title: 'several that begin alike', ...selection('actionName', ['login', 'log']) },
  { title: 'a number', ...selection('response.statusCode', 403) },
  { title: 'a comparison', ...selection('response.statusCode|gte', 400) },
  { title: 'not a comparison', ...selection('response.statusCode|gte', 400, 'not selection') },
  { title: 'part of a text', ...selection('userAgent|contains', 'curl/') },
  { title: 'two parts', ...selection('userAgent|contains|all', ['curl', 'x64']) },
  { title: 'the beginning', ...selection('actionName|startswith', ['delete', '10.']) },
  { title: 'the end', ...selection('actionName|endswith', 'Group') },
  { title: 'one character', ...selection('actionName', 'log?n') },
  { title: 'any value', ...selection('requestParams.owner', '*') },
  { title: 'not any value', ...selection('requestParams.owner', '*', 'not selection') },
  { title: 'any number', ...selection('response.statusCode', '*') },
  { title: 'existence', ...selection('requestParams.owner|exists', true) },
  { title: 'networks', ...selection('sourceIPAddress|cidr', ['10.0.0.0/8', '2001:db8::/32']) },
  { title: 'an expression', ...selection('userIdentity.email|re', '^[a-z]+@example[.](com|org)$') },
  {
    title: 'alternatives of an expression',
    ...selection('userIdentity.email|re', '^ana@.*$|^.*[.]evil$|^System-User$'),
  },
  { title: 'words in the body', searches: { selection: ['COPY INTO', 'MOUNT STORAGE'] }, condition: 'selection' },
  {
    title: 'words in the body and a field',
    searches: { selection: ['copy into'], action: { actionName: 'commandSubmit' } },
    condition: 'action and selection',
  },
  { title: 'not one value', ...selection('actionName', 'login', 'not selection') },
  { title: 'not of several', ...selection('actionName', ['login', 'log'], 'not selection') },
  { title: 'not part of a text', ...selection('userAgent|contains', 'curl', 'not selection') },
  { title: 'not an expression', ...selection('userIdentity.email|re', '^.*@example[.]com$', 'not selection') },
  { title: 'not existing', ...selection('requestParams.owner|exists', false) },
  { title: 'null', ...selection('requestParams.owner', null) },
  { title: 'not in a network', ...selection('sourceIPAddress|cidr', '10.0.0.0/8', 'not selection') },
  { title: 'not in networks', ...selection('sourceIPAddress|cidr', ['10.0.0.0/8', '192.0.2.0/24'], 'not selection') },
  { title: 'both', searches: two, condition: 'selection and other' },
  { title: 'not both', searches: two, condition: 'not (selection and other)' },
  { title: 'neither', searches: two, condition: 'not selection and not other' },
  { title: 'one or not the other', searches: two, condition: 'selection or not other' },
  { title: 'and binds tighter than or', searches: two, condition: 'other or selection and not other' },
  {
    title: '1 of filters',
    searches: {
      filter_a: { actionName: 'login' },
      filter_b: { actionName: 'log' },
      selection: { serviceName: 'accounts' },
    },
    condition: 'selection and not 1 of filter_*',
  },
  {
    title: 'all of',
    searches: { a_1: { actionName: 'login' }, a_2: { serviceName: 'accounts' } },
    condition: 'all of a_*',
  },
  {
    title: 'alternatives of fields',
    searches: { selection: [{ actionName: 'log' }, { serviceName: 'ssh' }] },
    condition: 'selection',
  },
  ...nastyValues.flatMap((value) => [
    { title: `${JSON.stringify(value)}`, ...selection('actionName', sigmaValue(value)) },
    { title: `${JSON.stringify(value)} in a list`, ...selection('requestParams.key', [sigmaValue(value), 'none']) },
    { title: `${JSON.stringify(value)} in a text`, ...selection('requestParams.key|contains', sigmaValue(value)) },
    { title: `not ${JSON.stringify(value)}`, ...selection('actionName', sigmaValue(value), 'not selection') },
  ]),
];

/** Lines of a delivery. */
export function conditionLines(timestamp: number): string[] {
  const record = (fields: Readonly<Record<string, unknown>>, index: number) =>
    JSON.stringify({
      timestamp,
      version: '2.0',
      workspaceId: '1',
      serviceName: 'clusters',
      requestId: `r-${index}`,
      ...fields,
    });
  const actions = [
    'login',
    'log',
    'logi',
    'loginx',
    'getCatalog',
    'delete',
    'undelete',
    'deleteGroup',
    '10.1',
    '1001',
    'madd',
  ];
  return [
    ...actions.map((actionName) => ({ actionName })),
    ...actions.map((actionName) => ({ actionName, serviceName: 'accounts', response: { statusCode: 403 } })),
    ...nastyValues.flatMap((value) =>
      [value, `${value}x`, `x${value}`, value.replace('a', 'aa')].map((text) => ({
        actionName: text,
        requestParams: { key: text },
      })),
    ),
    ...['10.1.2.3', '192.0.10.1', '198.51.10.1', '192.0.2.7', '2001:db8::1', '2001:db9::1', 'unknown'].map(
      (sourceIPAddress) => ({
        actionName: 'a',
        sourceIPAddress,
      }),
    ),
    ...['ana@example.com', 'xana@example.com', 'ana@example.com.evil', 'ana@example.org', 'System-User'].map(
      (email) => ({
        actionName: 'a',
        userIdentity: { email },
      }),
    ),
    ...['curl/8 x64', 'x64 curl/8', 'curlx', 'a\ncurl/8\nb'].map((userAgent) => ({ actionName: 'a', userAgent })),
    { actionName: 'a', requestParams: { owner: 'x' } },
    { actionName: 'a', requestParams: { other: 'x' } },
    { actionName: 'commandSubmit', requestParams: { commandText: 'COPY INTO a FROM b' } },
    { actionName: 'commandSubmit', requestParams: { commandText: 'copy into a from b' } },
    { actionName: 'commandSubmit', requestParams: { commandText: 'COPY a INTO b' } },
    { actionName: 'runCommand', requestParams: { commandText: 'MOUNT STORAGE' } },
    { actionName: 'sshd', serviceName: 'ssh' },
  ].map(record);
}
