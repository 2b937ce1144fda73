/**
 * Renders docs/metrics.md from the table of instruments, so that it cannot tell anything else.
 */
import { histograms, observedInstruments } from './instruments.ts';
import { prometheusName } from './prometheus.ts';

const typeNames = {
  counter: 'counter',
  upDownCounter: 'up-down counter',
  gauge: 'gauge',
  histogram: 'histogram',
} as const;

/** The names under which Prometheus has the series of all instruments. */
export function prometheusSeries(): readonly string[] {
  return [...observedInstruments, ...histograms].flatMap(({ name, unit, type }) => {
    const series = prometheusName(name, unit);
    if (type === 'counter') return [`${series}_total`];
    if (type === 'histogram') return ['bucket', 'count', 'sum'].map((suffix) => `${series}_${suffix}`);
    return [series];
  });
}

export function renderMetricsReference(): string {
  const rows = [...observedInstruments, ...histograms].map(({ name, unit, type, attributes, meaning }) => {
    const inPrometheus = `${prometheusName(name, unit)}${type === 'counter' ? '_total' : ''}`;
    const attributeList = attributes.map((attribute) => `\`${attribute}\``).join(', ');
    return `| \`${name}\`<br>\`${inPrometheus}\` | ${typeNames[type]} | \`${unit}\` | ${attributeList} | ${meaning} |`;
  });
  return `${introduction}\n${rows.join('\n')}\n\n${notes}`;
}

const introduction = `# Metrics

What \`run\` counts and measures about itself. \`OTEL_METRICS_EXPORTER\` says where it goes: \`prometheus\`, the default, serves it on
\`/metrics\` of \`DATABRICKS_AUDIT_HTTP\`; \`otlp\` pushes it to the collector every \`OTEL_METRIC_EXPORT_INTERVAL\` milliseconds, as
protobuf, to \`/v1/metrics\` below \`OTEL_EXPORTER_OTLP_ENDPOINT\` and with the headers, certificates (as they are at the start) and
compression of the other general variables. The \`_METRICS_\` forms of these work as the OpenTelemetry SDK reads them.

Each row names the metric as OpenTelemetry has it, and below as Prometheus does. Everything counts from the start of the process.

<!-- Written by "npm run docs" from src/telemetry/instruments.ts. -->

| metric | type | unit | attributes | meaning |
|---|---|---|---|---|`;

const notes = `## What holds at every collection

For each workspace and in sum, because all of it is read at the same moment:

- \`lines.read\` = \`lines.new\` + \`lines.already_shipped\`
- \`lines.new\` = \`lines.accepted\` + \`lines.dead_lettered\` + \`lines.in_flight\`

And in sum, while no batch and no notice is under way:

- \`dead_letters\` = \`lines.dead_lettered\` + \`notices\` with the outcome \`dead_lettered\`

## Workspaces

\`databricks.workspace.id\` is the workspace in the path of the object; series of the legacy layout, which has none, go without.
The first 200 workspaces that the agent meets have series of their own. All others share \`_OTHER\`.

## Alerts

[examples/prometheus/alerts.yaml](../examples/prometheus/alerts.yaml) has rules for Prometheus, and the [runbook](runbook.md) a section for
each.
`;
