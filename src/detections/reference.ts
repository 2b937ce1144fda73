/**
 * docs/detections.md (`npm run docs`): what the pack covers, and for each rule what an alert means and what to do about it.
 */
import { runbookUrl } from './alert.ts';
import { tactics, techniques, techniqueUrl } from './attack.ts';
import { contains } from './condition.ts';
import { type DetectionRule, type Finding, type FormatName, levels } from './rule.ts';
import { windowOf } from './windows.ts';

const delayMs = 20 * 60_000;

export function renderDetectionsReference(rules: readonly DetectionRule[]): string {
  return [
    '# Detections',
    '',
    '<!-- Generated from detections/rules/ by `npm run docs`. -->',
    '',
    `${rules.length} rules for Databricks audit logs, written in [Sigma](https://sigmahq.io) and compiled for Loki's ruler, Grafana and`,
    'Kibana. Any other Sigma backend can read them too. [How to install them](#install), [how to write one](writing-detections.md).',
    '',
    ...coverage(rules),
    ...levelsTable(rules),
    ...installation,
    ...limitations(rules),
    '## Rules',
    '',
    ...rules.toSorted(byTactic).flatMap(section),
  ].join('\n');
}

function coverage(rules: readonly DetectionRule[]): string[] {
  const rows = Object.entries(tactics).flatMap(([tag, { name }]) =>
    rules.filter(({ tactics: [first] }) => first === tag).map((rule, index) => row(index === 0 ? name : '', rule)),
  );
  return [
    '## Coverage',
    '',
    'Tactics and techniques are those of MITRE ATT&CK 19.',
    '',
    '| Tactic | Rule | Level | Technique | Alerts on | Loki, Grafana | Kibana |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ];
}

function row(tactic: string, rule: DetectionRule): string {
  const link = `[${rule.title}](#${runbookUrl(rule).split('#')[1]})`;
  const ids = rule.techniques.map((id) => `[${id}](${techniqueUrl(id)})`).join(', ');
  return `| ${tactic} | ${link} | ${rule.level} | ${ids} | ${threshold(rule.finding)} | ${holds(rule, 'loki')} | ${holds(rule, 'kibana')} |`;
}

function holds({ notOn }: DetectionRule, format: FormatName): string {
  return notOn[format] === undefined ? 'yes' : '**no**';
}

function levelsTable(rules: readonly DetectionRule[]): string[] {
  const meaning: Readonly<Record<string, string>> = {
    critical: 'An incident until shown otherwise. Page somebody.',
    high: 'Review promptly.',
    medium: 'Review within the day.',
    low: 'Notable. Review regularly, or in combination with others.',
    informational: 'For dashboards and investigations. Left out unless you ask for `--level informational`.',
  };
  return [
    '| Level | Rules | Meaning |',
    '|---|---|---|',
    ...levels
      .toReversed()
      .map((level) => `| ${level} | ${rules.filter((rule) => rule.level === level).length} | ${meaning[level]} |`),
    '',
  ];
}

const installation = [
  '## Install',
  '',
  '[`detections/`](../detections/) has the files with the built-in mapping, for records that are at most 20 minutes late, from level `low` up.',
  'The command writes them for your own mapping, allow lists and delay:',
  '',
  '```sh',
  'databricks-audit-otel detections --format loki > databricks-audit.yaml',
  'databricks-audit-otel detections --format kibana --filters ./allow-lists --level medium > databricks-audit.ndjson',
  'databricks-audit-otel detections --format loki --mapping databricks-audit,loki,./ours.yaml --delay 45m > databricks-audit.yaml',
  '```',
  '',
  '| Format | Committed as | Install it |',
  '|---|---|---|',
  "| `loki` | [`databricks-audit.yaml`](../detections/loki/databricks-audit.yaml) | Into the ruler's rule directory, or `lokitool rules sync`. Needs the mapping layer `loki`. |",
  '| `loki --all-in-one` | [`databricks-audit-all-in-one.yaml`](../detections/loki/databricks-audit-all-in-one.yaml) | The same, for accounts that the above is too expensive for: one query for all single-event rules of a level. |',
  '| `grafana` | [`databricks-audit.yaml`](../detections/grafana/databricks-audit.yaml) | Into `provisioning/alerting/`, with the uid of your Loki data source. |',
  '| `kibana` | [`databricks-audit.ndjson`](../detections/elastic/databricks-audit.ndjson) | Security > Rules > Import, or `POST /api/detection_engine/rules/_import`. Rules arrive disabled. Needs the mapping layer `elastic` and the [index template](../examples/elastic/index-template.json). |',
  '| `sigma` | [`databricks-audit.yml`](../detections/sigma/databricks-audit.yml) | The rules for any other Sigma backend, with the field names of the raw record. |',
  '| `sigma-pipeline` | [`databricks-audit-pipeline.yml`](../detections/sigma/databricks-audit-pipeline.yml) | A pySigma pipeline from those names to the attributes of this agent. |',
  '',
  'Before you switch anything on, run the expressions over your own past: the dashboard *Databricks detections* of',
  '[examples/loki](../examples/loki/) counts what each rule would have found, and Kibana previews a rule.',
  '',
  '**Allow lists.** `--filters` names a folder of [Sigma filters](../examples/filters/). What a filter selects is left out of the rules that it names.',
  '',
  '**Routing.** Alerts carry `severity`, `rule`, `tactic` and `technique`, and as far as the record has them who (`databricks_principal_name`,',
  '`databricks_principal_type`), from where (`client_address`), in which workspace (`service_instance_id`) and what was done. Rules hold for',
  'service principals too: their type is `service_principal`. [examples/loki/alertmanager.yaml](../examples/loki/alertmanager.yaml) routes by severity.',
  '',
];

function limitations(rules: readonly DetectionRule[]): string[] {
  const inBody = rules.filter(({ condition }) => contains(condition, 'keywords')).map(({ title }) => title);
  const longest = rules.filter((rule) => windowOf(rule, delayMs).interval.text !== '5m').map(({ title }) => title);
  return [
    '## What to know',
    '',
    '**Everywhere**',
    '',
    '- Values are compared exactly, with upper and lower case. Databricks does not vary them. Sigma by itself ignores case, so other backends may find more.',
    '- A record that is delivered later than `--delay` is missed by thresholds; rules on single events look back at least an hour.',
    '- After a crash a record may be sent twice. Loki may count both until its next flush, so that a threshold may be reached early.',
    '- A refused sign-in without an identity counts for the user that was tried. Nobody has proved to be that user.',
    '- Of a request, up to 64 parameters and 32 KiB are attributes. Rules look at those; *Databricks Request Parameters Cut* reports when there was more.',
    `- The whole record is searched by: ${inBody.join(', ')}.`,
    '- `DATABRICKS_AUDIT_REDACT=secrets,commands` hides statements from these. The default hides nothing that a rule looks at.',
    '- A delivery that stops is silent. Alert on the metric `databricks_audit_silent` as well ([runbook](runbook.md#databricksauditworkspacesilent)).',
    '',
    '**Loki and Grafana**',
    '',
    '- An alert fires for as long as its record is within the window, and Alertmanager tells of it again after `repeat_interval`: set that above an hour.',
    '- An alert of a threshold has one series for each principal, address and workspace in it. Group by `alertname` and what the rule counts by.',
    '- A query that gives more than `max_query_series` (500) series fails, and the rule with it.',
    '- A single expression that Loki cannot parse keeps it from taking any change of rules. `lokitool rules lint --dry-run` shows that.',
    '- A value of more than 4,096 bytes is cut; what is behind is not found.',
    `- Evaluated once an hour, as they read a day or more: ${longest.join(', ')}.`,
    '',
    '**Elasticsearch and Kibana**',
    '',
    ...rules.flatMap(({ title, notOn }) =>
      notOn.kibana === undefined ? [] : [`- ${title} is not there. ${notOn.kibana}`],
    ),
    '- Parameters are one `flattened` field: no regular expressions, no ranges. The compiler refuses rules that would need them.',
    '- A text of more than 1,024 characters in a keyword field, such as a user agent or a result, is stored and not searched.',
    '- Rules look back by `@timestamp`. A query rule does not alert twice on one document.',
    '- Tests send what Kibana sends to a real Elasticsearch. Kibana itself, its scheduling and its import were not tested.',
    '',
    '**Cost**',
    '',
    ...cost,
    '',
  ];
}

const cost = [
  'Measured with 200,000 records in the last hour, Loki 3.7.8 and Elasticsearch 8.19 in one process each, on two cores that others used as well:',
  '',
  '| | Loki | Elasticsearch (100,000 records) |',
  '|---|---|---|',
  '| a rule on single events | 1.6 s | |',
  '| a rule with a threshold | 3.7 to 4.5 s: it reads twice, to say who and from where | |',
  '| all rules from level `low` up | 121 s | 1.6 s |',
  '| the 39 rules on single events | 62 s | |',
  '| the same `--all-in-one`, in 4 queries | 10 s | |',
  '',
  'So Loki reads some 125,000 records a second for each rule. Up to 50,000 records an hour the five minutes of an interval are enough by far. With more, take',
  "`--all-in-one`, where alerts name the action instead of the rule and thresholds name only what they count by, or give the ruler more cores. Watch the ruler's",
  '`loki_prometheus_rule_group_last_duration_seconds`: above the interval, evaluations are skipped.',
];

function section(rule: DetectionRule): string[] {
  const {
    title,
    slug,
    level,
    description,
    requires,
    limitations: limits,
    falsePositives,
    triage,
    techniques: ids,
  } = rule;
  const named = ids.map((id) => `${id} ${techniques[id] ?? ''}`.trim()).join(', ');
  return [
    `### ${title}`,
    '',
    `\`${slug}\` · ${level} · ${named} · alerts on ${threshold(rule.finding)}`,
    '',
    description,
    '',
    ...(requires === undefined ? [] : [`**Needs**: ${requires}`, '']),
    `**False positives**: ${falsePositives.join('; ')}.`,
    '',
    '**Do**:',
    '',
    ...triage.map((step, index) => `${index + 1}. ${step}`),
    '',
    ...(limits === undefined ? [] : [`**Limits**: ${limits}`, '']),
    ...Object.entries(rule.notOn).flatMap(([format, reason]) => [`**Not for \`${format}\`**: ${reason}`, '']),
  ];
}

/** In words, for a table. */
function threshold(finding: Finding): string {
  switch (finding.type) {
    case 'event':
      return 'each event';
    case 'event_count':
      return `${finding.min} events per ${groups(finding.groupBy)} in ${finding.timespan.text}`;
    case 'value_count':
      return `${finding.min} values of \`${finding.field}\` per ${groups(finding.groupBy)} in ${finding.timespan.text}`;
    case 'new_terms':
      return `${groups(finding.fields)} not seen in ${finding.history.text}`;
    case 'lifetime':
      return `\`${finding.field}\` more than ${finding.moreThan.text} after the event`;
  }
}

function groups(fields: readonly string[]): string {
  return fields.map((field) => `\`${field}\``).join(' and ');
}

function byTactic(one: DetectionRule, other: DetectionRule): number {
  const order = Object.keys(tactics);
  const position = ({ tactics: [first = ''] }: DetectionRule) => order.indexOf(first);
  return position(one) - position(other) || one.title.localeCompare(other.title);
}
