/**
 * A mapping in words: docs/mapping.md (`npm run docs`), and the table of `mapping show`.
 */
import {
  type Condition,
  conversionTypes,
  loadMapping,
  type Mapping,
  type Redaction,
  type Rule,
} from '../../mapping/index.ts';
import { alertEvents, locationAttributes } from '../../model/own-attributes.ts';

/** The reference of the built-in mapping, as Markdown. */
export function renderMappingReference(): string {
  const mapping = loadMapping(['databricks-audit'], '.');
  return [
    '# The mapping',
    '',
    '<!-- Generated from mappings/databricks-audit.yaml by `npm run docs`. -->',
    '',
    'How a record of a Databricks audit log becomes an OpenTelemetry log record, whatever the shape in which Databricks writes it',
    '([which there are](input.md#records)). Nulls and empty texts are omitted everywhere. A path continues inside of a string that contains JSON,',
    'as Azure writes objects. A field that is not listed stays in the body, which is the line as delivered.',
    '',
    'The names under `databricks.*` are also [a registry of semantic conventions](../mappings/registry/databricks.yaml), in the format of OpenTelemetry and',
    'its tool weaver, for others to refer to. So are those under `immuta.*` of [the mapping for Immuta](immuta.md).',
    '',
    '## Record',
    '',
    ...recordTable(mapping),
    '',
    '## Attributes',
    '',
    'The first row of an attribute that gives something is taken.',
    '',
    ...attributeTable([...mapping.attributes]),
    `| ${code(mapping.limits.flag)} | (a text was cut at ${mapping.limits.textBytes} bytes) | | | bool | | |`,
    '',
    'After these come the attributes with which a source says where the object is, unless the mapping has a rule for them or removes them (`null`): of',
    'a blob of Azure `azure.storage.account.name`, `azure.storage.container.name` and `log.file.path`, of an object of Google Cloud',
    `\`gcp.storage.bucket.name\` and \`log.file.path\`, of a table ${Object.keys(locationAttributes).map(code).join(', ')}.`,
    '',
    '## Events of the agent',
    '',
    'The agent sends a few events of its own, with the resource and the constant attributes of the mapping.',
    '',
    '| Event | Attributes | Notes |',
    '|---|---|---|',
    ...Object.entries(alertEvents).map(
      ([name, { brief, attributes }]) => `| ${code(name)} | ${attributes.map(code).join(', ')} | ${brief} |`,
    ),
    '',
    '## Resource and scope',
    '',
    `| Attribute | ${Object.keys(shapes).join(' | ')} | Notes |`,
    '|---|---|---|---|---|',
    ...[...mapping.resource].flatMap(([target, rules]) =>
      rules.map((rule) => `| ${code(target)} | ${sources(rule).join(' | ')} | ${notesOf(rule).join(' ')} |`),
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
    row('Timestamp', source(mapping.timestampPaths, undefined), 'time'),
    ...mapping.severity.map(({ value, when }) => row('Severity', `the value ${value}`, 'severity', condition(when))),
    ...[...mapping.resource].flatMap(([target, rules]) =>
      rules.map(({ from, value }) => row(`resource ${target}`, source(from, value), 'string')),
    ),
    ...[...mapping.attributes].flatMap(([target, rules]) =>
      rules.map((rule) => row(target, source(rule.from, rule.value), typeOf(rule), condition(rule.when))),
    ),
  ];
}

/** Of the shapes in which Databricks writes records: how a key is spelled, and what only this shape has at the top of the record. */
const shapes = {
  'Log delivery (AWS, Google Cloud)': {
    pick: (spellings: readonly string[]) => spellings[0],
    own: ['timestamp', 'orgId', 'shardName', 'MAX_LOG_MESSAGE_LENGTH'],
  },
  'Table `system.access.audit`': { pick: (spellings: readonly string[]) => spellings.at(-1), own: ['event_time'] },
  'Azure diagnostic log': {
    pick: (spellings: readonly string[]) => spellings[0],
    own: ['properties', 'identity', 'resourceId', 'operationName', 'operationVersion', 'category', 'time'],
  },
} as const;

type Shape = (typeof shapes)[keyof typeof shapes];

/** Where each shape has the value. A key with one spelling is the same in the first two; Azure has everything in keys of its own. */
function sources({ from, value }: Pick<Rule, 'from' | 'value'>): string[] {
  if (from === undefined) return Object.keys(shapes).map(() => source(undefined, value));
  return Object.values(shapes).map((shape) => {
    const paths = from.flatMap((path) => spelled(path, shape) ?? []);
    return paths.length === 0 ? '' : source(paths, undefined);
  });
}

/** The path as the shape spells it; undefined if it does not have it. */
function spelled(path: string, shape: Shape): string | undefined {
  if (path.startsWith('$')) return path;
  const segments = path.split('.').map((segment) => segment.split('|'));
  const [first = ''] = segments[0] ?? [];
  const owner = Object.values(shapes).find(({ own }) => (own as readonly string[]).includes(first));
  const isHere = owner === undefined ? shape !== shapes['Azure diagnostic log'] : owner === shape;
  return isHere ? segments.map((segment) => shape.pick(segment)).join('.') : undefined;
}

function recordTable(mapping: Mapping): string[] {
  const times = sources({ from: [...mapping.timestampPaths] });
  const from = Object.keys(shapes).map((shape, index) => `${times[index]} (${shape})`);
  return [
    '| Field | From |',
    '|---|---|',
    `| Timestamp | ${from.join(', ')}, as Unix milliseconds or ISO 8601 with a zone, from 1990 to 2262; to the nanosecond, not rounded. Without one, the record is ${code(mapping.unparsed.event)} and Timestamp is unset |`,
    '| ObservedTimestamp | When the version of the object was written in which the line was first met |',
    `| EventName | ${code(mapping.eventName)}; ${code(mapping.unparsed.event)} for what cannot be parsed |`,
    '| Body | The line as delivered, a text; after redaction |',
  ];
}

function attributeTable(attributes: readonly (readonly [string, readonly Rule[]])[]): string[] {
  return [
    `| Attribute | ${Object.keys(shapes).join(' | ')} | Type | When | Notes |`,
    '|---|---|---|---|---|---|---|',
    ...attributes.flatMap(([target, rules]) => rules.map((rule) => attributeRow(target, rule))),
  ];
}

function notesOf({ brief, why }: Pick<Rule, 'brief' | 'why'>): string[] {
  return [brief, why].flatMap((note) => note?.trim() ?? []);
}

function attributeRow(target: string, rule: Rule): string {
  const limits = Object.entries(rule.limits ?? {}).map(([name, limit]) => `at most ${limit} ${name}`);
  const flag = rule.flag === undefined ? [] : [`beyond that ${code(rule.flag)} is true`];
  const bounds = [...limits, ...flag].join(', ');
  const notes = [...notesOf(rule), ...(bounds === '' ? [] : [`${bounds[0]?.toUpperCase()}${bounds.slice(1)}.`])];
  return `| ${code(target)} | ${sources(rule).join(' | ')} | ${typeOf(rule)} | ${condition(rule.when)} | ${notes.join(' ')} |`;
}

function typeOf({ value, as }: Rule): string {
  if (value !== undefined) return typeof value === 'number' ? 'int' : typeof value === 'boolean' ? 'bool' : 'string';
  if (as === 'map' || as === 'list') return as;
  return conversionTypes[as] + (as === 'string' || as === 'integer' ? '' : ` (${as})`);
}

function source(from: readonly string[] | undefined, value: unknown): string {
  return from === undefined ? `the value ${code(String(value))}` : from.map(code).join(', else ');
}

function condition(when: Readonly<Record<string, Condition>> | undefined): string {
  return Object.entries(when ?? {})
    .map(([name, test]) => {
      if (typeof test === 'string') return `${name} ${test}`;
      if ('from' in test) return `${name} ${test.from} to ${test.to}`;
      return 'not' in test ? `${name} is not ${test.not.join(' or ')}` : `${name} is ${test.join(' or ')}`;
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
    ...attributeTable(attributes),
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
  'object, also inside of a string that contains JSON, `|` separates spellings of one key, and a path that begins with `$` is known of the line and not in the record.',
  '`as` converts; a value that is not of that kind gives nothing. `when` compares facts, which are named values of the record',
  '(`facts`), with `present`, `absent`, a range (`400..599`), a list of values, or `not: [...]`, which is met',
  'by any other value and by none. A list of rules is tried in order. In a map,',
  '`distinctNames: true` puts a number behind names that are the same once everything but letters and digits is `_`. `keep` names keys of a map that come first',
  'within its limits. `brief` says in a sentence what an attribute is, `why` what else to know.',
  '',
  '### Write one',
  '',
  'Take some lines of your own, in a file or as the URL of a source, of whose newest object the first 1,000 count. Look at what becomes of each field, and at',
  'what stays in the body alone:',
  '',
  '```sh',
  'databricks-audit-otel mapping test sample.jsonl --mapping databricks-audit,./ours.yaml',
  'databricks-audit-otel mapping test s3://bucket/prefix --mapping databricks-audit,./ours.yaml',
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
  `Conversions: ${Object.keys(conversionTypes).map(code).join(', ')}, ${code('map')}, ${code('list')}.`,
  '',
];

function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}
