/**
 * A mapping in words: docs/mapping.md (`npm run docs`), and the table of `mapping show`.
 */
import { conversionTypes } from './conversions.ts';
import { loadMapping, type Mapping } from './mapping-file.ts';
import type { Condition, Redaction, Rule } from './mapping-schema.ts';

/** The reference of the built-in mapping, as Markdown. */
export function renderMappingReference(): string {
  const mapping = loadMapping(['databricks-audit'], '.');
  return [
    '# The mapping',
    '',
    '<!-- Generated from mappings/databricks-audit.yaml by `npm run docs`. -->',
    '',
    'How a record of a Databricks audit log becomes an OpenTelemetry log record. Nulls and empty texts are omitted',
    'everywhere. A field that is not listed stays in the body, which is the line as delivered.',
    '',
    '## Record',
    '',
    ...recordTable(mapping),
    '',
    '## Attributes',
    '',
    'The first row of an attribute that gives something is taken.',
    '',
    '| Attribute | From | Type | When | Notes |',
    '|---|---|---|---|---|',
    ...[...mapping.attributes].flatMap(([target, rules]) => rules.map((rule) => attributeRow(target, rule))),
    `| ${code(mapping.limits.flag)} | (a text was cut at ${mapping.limits.textBytes} bytes) | bool | | |`,
    '',
    'After these come the attributes with which a source says where the object is, unless the mapping has a rule for them or removes them (`null`).',
    '',
    '## Resource and scope',
    '',
    '| Attribute | From | Notes |',
    '|---|---|---|',
    ...[...mapping.resource].map(
      ([target, { from, value, why }]) => `| ${code(target)} | ${source(from, value)} | ${why ?? ''} |`,
    ),
    '',
    `Scope ${code(mapping.scopeName)}, version ${code(mapping.version)} (of the mapping, not of the agent: a record that is sent`,
    `again after an upgrade is the same byte for byte), ${[...mapping.scopeAttributes].map(([key, value]) => `${code(key)} = ${code(value)}`).join(', ')}.`,
    '',
    '## Severity',
    '',
    `The first match; unparsed records are always ${mapping.unparsed.severity}.`,
    '',
    '| Severity | When |',
    '|---|---|',
    ...mapping.severity.map(({ value, when }) => `| ${value} | ${condition(when)} |`),
    '',
    '## Redaction',
    '',
    'What `DATABRICKS_AUDIT_REDACT` names is replaced with `[redacted]` in body and attributes: the strings and numbers under',
    'a key that contains one of the phrases, however it is written (`api key`: `apiKey`, `API_KEY`, `x-api-key`), unless the',
    'key ends with a harmless word. At any depth, and inside of texts that hold JSON. In a line that cannot be parsed, what',
    'follows such a key is masked.',
    '',
    ...redactionSection('secrets', mapping.redact.secrets),
    ...redactionSection('commands', mapping.redact.commands),
    '## Built-in layers',
    '',
    ...layerSection('elastic', mapping),
    ...layerSection('loki', mapping),
    ...formatSection,
  ].join('\n');
}

/** One rule for one target, in words. */
export interface MappingRow {
  readonly target: string;
  readonly from: string;
  readonly type: string;
  readonly when: string;
}

/** What a mapping makes, rule by rule: fields of the record, the resource, attributes. */
export function mappingRows(mapping: Mapping): MappingRow[] {
  const plain = (text: string) => text.replaceAll('`', '').replaceAll('\\|', '|');
  const row = (target: string, from: string, type: string, when = ''): MappingRow => ({
    target,
    from: plain(from),
    type: plain(type),
    when: plain(when),
  });
  return [
    row('Timestamp', source(mapping.timestampPaths, undefined), 'time (unix_ms)'),
    ...mapping.severity.map(({ value, when }) => row('Severity', `the value ${value}`, 'severity', condition(when))),
    ...[...mapping.resource].map(([target, { from, value }]) =>
      row(`resource ${target}`, source(from, value), 'string'),
    ),
    ...[...mapping.attributes].flatMap(([target, rules]) =>
      rules.map((rule) => row(target, source(rule.from, rule.value), typeOf(rule), condition(rule.when))),
    ),
  ];
}

function recordTable(mapping: Mapping): string[] {
  return [
    '| Field | From |',
    '|---|---|',
    `| Timestamp | ${source(mapping.timestampPaths, undefined)}, Unix milliseconds from 1990 to 2262. Without one, the record is ${code(mapping.unparsed.event)} and Timestamp is unset |`,
    '| ObservedTimestamp | When the version of the object was written in which the line was first met |',
    `| EventName | ${code(mapping.eventName)}; ${code(mapping.unparsed.event)} for what cannot be parsed |`,
    '| Body | The line as delivered, a text; after redaction |',
  ];
}

function attributeRow(target: string, rule: Rule): string {
  const limits = Object.entries(rule.limits ?? {}).map(([name, limit]) => `at most ${limit} ${name}`);
  const flag = rule.flag === undefined ? [] : [`beyond that ${code(rule.flag)} is true`];
  const notes = [rule.why?.trim(), [...limits, ...flag].join(', ')].filter((note) => note !== undefined && note !== '');
  return `| ${code(target)} | ${source(rule.from, rule.value)} | ${typeOf(rule)} | ${condition(rule.when)} | ${notes.join(' ')} |`;
}

function typeOf({ value, as }: Rule): string {
  if (value !== undefined) return typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'bool' : 'string';
  return as === 'map' ? 'map' : conversionTypes[as] + (as === 'string' || as === 'integer' ? '' : ` (${as})`);
}

function source(from: readonly string[] | undefined, value: unknown): string {
  return from === undefined ? `the value ${code(String(value))}` : from.map(code).join(', else ');
}

function condition(when: Readonly<Record<string, Condition>> | undefined): string {
  return Object.entries(when ?? {})
    .map(([name, test]) => {
      if (typeof test === 'string') return `${name} ${test}`;
      return Array.isArray(test) ? `${name} is ${test.join(' or ')}` : `${name} ${test.from} to ${test.to}`;
    })
    .join(', ');
}

function redactionSection(name: string, { phrases, harmlessLastWords, fields }: Redaction): string[] {
  return [
    `### ${name}`,
    '',
    `Phrases: ${phrases.join(', ')}.`,
    '',
    ...(harmlessLastWords.length === 0 ? [] : [`Harmless last words: ${harmlessLastWords.join(', ')}.`, '']),
    ...fields.map(
      ({ service, keys }) => `In records of the service ${code(service)} also ${keys.map(code).join(', ')}.`,
    ),
    '',
  ];
}

/** What the layer changes. */
function layerSection(name: string, base: Mapping): string[] {
  const layered = loadMapping(['databricks-audit', name], '.');
  const attributes = [...layered.attributes].filter(
    ([target, rules]) => JSON.stringify(rules) !== JSON.stringify(base.attributes.get(target)),
  );
  const scopeAttributes = [...layered.scopeAttributes].filter(([key]) => !base.scopeAttributes.has(key));
  const scopeText = scopeAttributes.map(([key, value]) => `${code(key)} = ${code(value)}`).join(', ');
  return [
    `### ${name}`,
    '',
    `${code(`DATABRICKS_AUDIT_MAPPING=databricks-audit,${name}`)} adds or changes:`,
    '',
    '| Attribute | From | Type | When | Notes |',
    '|---|---|---|---|---|',
    ...attributes.flatMap(([target, rules]) => rules.map((rule) => attributeRow(target, rule))),
    '',
    ...(scopeText === '' ? [] : [`Attributes of the scope: ${scopeText}.`, '']),
  ];
}

const formatSection = [
  '## Your own layer',
  '',
  '`DATABRICKS_AUDIT_MAPPING=databricks-audit,./ours.yaml` puts a file of yours on top. It may have any of the parts that',
  '`mappings/databricks-audit.yaml` has; a target that it names replaces the one below, `null` removes it, and what it adds to',
  '`redact` is added. Give it a `version` of its own and change that when records come out differently.',
  '',
  '```yaml',
  "version: '1+ours.1'",
  'attributes:',
  '  ours.cluster: { from: requestParams.clusterId|cluster_id }',
  '  ours.environment: { value: production }',
  '  databricks.shard.name: null',
  'redact:',
  '  secrets:',
  '    phrases: [pin code]',
  '```',
  '',
  'A rule has either `value` or `from`: a path or a list of paths, of which the first with a value counts. `.` goes into an',
  'object, `|` separates spellings of one key, and a path that begins with `$` is known of the line and not in the record.',
  '`as` converts; a value that is not of that kind gives nothing. `when` compares facts, which are named values of the record',
  '(`facts`), with `present`, `absent`, a range (`400..599`) or a list. A list of rules is tried in order. In a map,',
  '`distinctNames: true` puts a number behind names that are the same once everything but letters and digits is `_`.',
  '',
  '### Write one',
  '',
  'Take some lines of your own, and look at what becomes of each field, and at what stays in the body alone:',
  '',
  '```sh',
  'databricks-audit-otel mapping test sample.jsonl --mapping databricks-audit,./ours.yaml',
  'databricks-audit-otel mapping show --mapping databricks-audit,./ours.yaml',
  '```',
  '',
  'Then keep it right with golden pairs: a folder for each case, with `input.jsonl` and the records that have to come of it,',
  '`expected.json`. `--update` writes those, to be read before they are kept. Without it the exit code is 1 when a record is another one:',
  '',
  '```sh',
  'databricks-audit-otel mapping test --golden ./pairs --mapping databricks-audit,./ours.yaml --update',
  'databricks-audit-otel mapping test --golden ./pairs --mapping databricks-audit,./ours.yaml',
  '```',
  '',
  'An `options.json` beside them may choose `layers` and `redact` for its case. Lines of a pair count as lines of an S3 object of workspace',
  '1234567890123456, so that the records do not depend on where the folder lies.',
  '',
  `Conversions: ${Object.keys(conversionTypes).map(code).join(', ')}, ${code('map')}.`,
  '',
];

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}
