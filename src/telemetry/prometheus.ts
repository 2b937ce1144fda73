/**
 * Renders the metrics in the Prometheus text format, to be served on the agent's own port. Uses only the serializer of the exporter
 * package, because the package starts a server of its own and omits units from names, although OpenTelemetry's specification asks
 * for them (compatibility/prometheus_and_openmetrics.md).
 */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { DataPointType, type MetricData, MetricReader } from '@opentelemetry/sdk-metrics';

const unitSuffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** The name of the metric in Prometheus, without the `_total` suffix of counters. */
export function prometheusName(name: string, unit: string): string {
  return `${name.replaceAll('.', '_')}${unitSuffixes[unit] ?? ''}`;
}

export class PrometheusReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer('', false, undefined, false, true);

  async render(): Promise<string> {
    const { resourceMetrics } = await this.collect();
    const scopeMetrics = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(toPrometheus),
    }));
    return this.#serializer.serialize({ ...resourceMetrics, scopeMetrics });
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** Moves the unit into the name, as the text format has no `# UNIT` comment, and leaves out what is unknown. */
function toPrometheus(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  const named = { ...metric, descriptor: { ...metric.descriptor, name: prometheusName(name, unit), unit: '' } };
  if (named.dataPointType !== DataPointType.GAUGE) return named;
  return { ...named, dataPoints: named.dataPoints.filter(({ value }) => !Number.isNaN(value)) };
}
