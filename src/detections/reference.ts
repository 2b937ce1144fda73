/**
 * docs/detections.md (`npm run docs`): what the pack covers, and for each rule what an alert means and what to do about it.
 */
import { runbookUrl } from './alert.ts';
import { tactics, techniques, techniqueUrl } from './attack.ts';
import { contains } from './condition.ts';
import { askedFor, pantherRules } from './coverage.ts';
import { type DetectionRule, type Finding, type FormatName, levels, timespanOf } from './rule.ts';
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
    ...correspondences(rules),
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

function correspondences(rules: readonly DetectionRule[]): string[] {
  const links = (slugs: readonly string[]) => slugs.map((slug) => linkTo(slug, rules)).join(', ');
  return [
    '| Alert that guides for SOC 2 ask for | Rules |',
    '|---|---|',
    ...Object.entries(askedFor).map(([alert, slugs]) => `| ${alert} | ${links(slugs)} |`),
    '',
    '<details><summary>The rules that Panther ships for Databricks, and what finds the same here</summary>',
    '',
    '| Panther | Here |',
    '|---|---|',
    ...Object.entries(pantherRules).map(([name, slugs]) => `| ${name} | ${links(slugs)} |`),
    '',
    'Thresholds may differ: Panther takes tokens of more than three days for long-lived, and these rules those of more than 90 days.',
    '',
    '</details>',
    '',
  ];
}

function linkTo(slug: string, rules: readonly DetectionRule[]): string {
  const rule = rules.find((candidate) => candidate.slug === slug);
  if (rule === undefined) throw new Error(`coverage.ts names a rule that is not there: ${slug}`);
  return `[${slug}](#${runbookUrl(rule).split('#')[1]})`;
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
  '| `kibana` | [`databricks-audit.ndjson`](../detections/elastic/databricks-audit.ndjson) | Security > Rules > Import, or `POST /api/detection_engine/rules/_import`. Rules arrive disabled. Needs the mapping layer `elastic`, whose `data_stream.dataset` the rules search, and the [index template](../examples/elastic/index-template.json). |',
  '| `sigma` | [`databricks-audit.yml`](../detections/sigma/databricks-audit.yml) | The rules for any other Sigma backend, with the field names of the raw record. |',
  '| `sigma-pipeline` | [`databricks-audit-pipeline.yml`](../detections/sigma/databricks-audit-pipeline.yml) | A pySigma pipeline from those names to the attributes of this agent. |',
  '',
  'Before you switch anything on, run the expressions over your own past: the dashboard *Databricks detections* of',
  '[examples/loki](../examples/loki/) counts what each rule would have found, and Kibana previews a rule.',
  '',
  '**Allow lists.** `--filters` names a folder of [Sigma filters](../examples/filters/). As in pySigma, the condition of a filter is joined by `and` to the rules that it names, or to',
  'all with `rules: any`, so an allow list says `condition: not selection`. A condition that would leave nothing but what the filter selects is refused. Pass the same folder',
  'to `sigma` and `sigma-pipeline`.',
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
    '- Comparisons are case-sensitive, because Databricks does not vary names and values. Standard Sigma ignores case, so other backends may find more.',
    '- Thresholds miss records that are delivered later than `--delay`. Rules on single events look back at least an hour.',
    '- After a crash, a record may be sent twice. Loki may count both until its next flush, so a threshold may be reached early.',
    '- A refused sign-in without an identity counts for the attempted user, who was not authenticated.',
    '- Up to 64 parameters and 32 KB of a request become attributes. The ones that rules inspect come first, so that other parameters do not hide them. One that has more than',
    '  32 KB itself is left out even so, and rules on it do not see it. *Databricks Request Parameters Cut* reports both, for the actions that it looks at.',
    '- Outside the parameters, the message and the result of a response are cut at 8,192 bytes and other values at 4,096; rules do not see the rest.',
    `- These rules search the whole record instead: ${inBody.join(', ')}.`,
    '- `DATABRICKS_AUDIT_REDACT=secrets,commands` hides statements from them. The default hides nothing that a rule inspects.',
    '- A stopped delivery is silent. Alert on the metric `databricks_audit_silent` as well ([runbook](runbook.md#databricksauditworkspacesilent)).',
    '',
    '**Loki and Grafana**',
    '',
    `- An alert fires as long as its records are within the window, and Alertmanager repeats it after \`repeat_interval\`: set that above the longest window of your rules, which is ${longestWindow(rules)}.`,
    '- A threshold raises one alert for each principal, address and workspace that contributed. Group by `alertname` and the principal.',
    '- A query that returns more than `max_query_series` (500) series fails, and its rule with it.',
    '- One expression that Loki cannot parse blocks all rule changes of the tenant. `lokitool rules lint --dry-run` finds it.',
    `- These rules read a day or more, and are evaluated once an hour: ${longest.join(', ')}.`,
    '',
    '**Elasticsearch and Kibana**',
    '',
    ...rules.flatMap(({ title, notOn }) =>
      notOn.kibana === undefined ? [] : [`- ${title} is missing. ${notOn.kibana}`],
    ),
    '- Parameters are one `flattened` field: no regular expressions, no ranges. The compiler refuses rules that would need them.',
    '- Words of `response.errorMessage` are found in upper and lower case alike.',
    '- Keyword fields over 1,024 characters, such as a long user agent or result, are stored but not searchable.',
    '- Rules look back by `@timestamp`. A query rule does not alert twice on one document.',
    '- Tests send the queries that Kibana would send to a real Elasticsearch. Kibana itself, its scheduling and its import are untested. So is Grafana.',
    '',
    '**Cost**',
    '',
    ...cost,
    '',
  ];
}

function longestWindow(rules: readonly DetectionRule[]): string {
  return timespanOf(Math.max(...rules.map((rule) => windowOf(rule, delayMs).range.ms))).text;
}

const cost = [
  'Measured with 200,000 records in the last hour, Loki 3.7.8 and Elasticsearch 8.19 as single processes, on two busy cores:',
  '',
  '| | Loki | Elasticsearch (100,000 records) |',
  '|---|---|---|',
  '| a rule on single events | 1.6 s | |',
  '| a rule with a threshold, which reads twice to say who and from where | 3.7 to 4.5 s | |',
  '| all rules from level `low` up | 121 s | 1.6 s |',
  '| the 39 rules on single events | 62 s | |',
  '| the same `--all-in-one`, in 4 queries | 10 s | |',
  '',
  'So Loki reads about 125,000 records per second and rule. Up to 50,000 records per hour, an evaluation fits easily into the interval of five minutes. Above that, use',
  '`--all-in-one`, where alerts name the action instead of the rule and thresholds name only their group, or give the ruler more cores.',
  '`loki_prometheus_rule_group_iterations_missed_total` counts evaluations that were skipped because the previous one took too long.',
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
