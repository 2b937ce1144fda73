/**
 * Generates docs/metrics.md from the table of instruments, so the two cannot diverge.
 */
import { histograms } from './histograms.ts';
import { observedInstruments } from './instruments.ts';
import { prometheusName } from './prometheus.ts';

const typeNames = {
  counter: 'counter',
  upDownCounter: 'up-down counter',
  gauge: 'gauge',
  histogram: 'histogram',
} as const;

/** The Prometheus names of all series. */
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

The metrics that \`run\` exposes about itself. \`OTEL_METRICS_EXPORTER\` selects the exporters: \`prometheus\` (the default) serves
them on \`/metrics\` of \`DATABRICKS_AUDIT_HTTP\`; \`otlp\` pushes them to the collector every \`OTEL_METRIC_EXPORT_INTERVAL\`
milliseconds, as protobuf, to \`/v1/metrics\` below \`OTEL_EXPORTER_OTLP_ENDPOINT\`, with the headers, certificates and compression
of the general variables. Certificates are read once, at start. The SDK also honours the \`_METRICS_\` forms of these variables.
Metrics are always pushed over HTTP. If \`OTEL_EXPORTER_OTLP_PROTOCOL\` is \`grpc\`, set \`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT\` to an HTTP port, and
\`OTEL_EXPORTER_OTLP_METRICS_PROTOCOL\` to \`http/protobuf\`.

Each row gives the OpenTelemetry name of the metric and, below it, the Prometheus name. All counters start at zero with the process.

<!-- Written by "npm run docs" from src/telemetry/instruments.ts. -->

| metric | type | unit | attributes | meaning |
|---|---|---|---|---|`;

const notes = `## Invariants

All values are read at the same moment, so these hold at every collection, for each workspace and for the totals:

- \`lines.read\` = \`lines.new\` + \`lines.already_shipped\`
- \`lines.new\` = \`lines.accepted\` + \`lines.dead_lettered\` + \`lines.in_flight\`

For the totals, while no batch and no silence notice is in flight:

- \`dead_letters\` = \`lines.dead_lettered\` + \`notices\` with the outcome \`dead_lettered\`

## Workspaces

\`databricks.workspace.id\` is the workspace ID from the path of the object. Objects in the legacy layout have none, so their series
omit the attribute. The first 200 workspaces get their own series; all others share \`_OTHER\`.

## Alerts

[examples/prometheus/alerts.yaml](../examples/prometheus/alerts.yaml) contains alerting rules for Prometheus; the
[runbook](runbook.md) has a section for each. [Alerting in five minutes](alerting.md) loads and routes them, with a dashboard.
`;
