/**
 * The metrics in the text format of Prometheus, for whoever asks on our own port. The exporter's package brings a server of its
 * own and leaves units out of names, which OpenTelemetry's specification wants in (compatibility/prometheus_and_openmetrics.md):
 * only its serializer is used.
 */
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { type MetricData, MetricReader } from '@opentelemetry/sdk-metrics';

const unitSuffixes: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** How the metric is called over there, without the `_total` of counters. */
export function prometheusName(name: string, unit: string): string {
  return `${name.replaceAll('.', '_')}${unitSuffixes[unit] ?? ''}`;
}

export class PrometheusReader extends MetricReader {
  readonly #serializer = new PrometheusSerializer('', false, undefined, false, true);

  async render(): Promise<string> {
    const { resourceMetrics } = await this.collect();
    const scopeMetrics = resourceMetrics.scopeMetrics.map(({ scope, metrics }) => ({
      scope,
      metrics: metrics.map(withUnitInName),
    }));
    return this.#serializer.serialize({ ...resourceMetrics, scopeMetrics });
  }

  protected override async onForceFlush(): Promise<void> {}

  protected override async onShutdown(): Promise<void> {}
}

/** The unit is in the name then, and `# UNIT` is no comment that the text format knows. */
function withUnitInName(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  return { ...metric, descriptor: { ...metric.descriptor, name: prometheusName(name, unit), unit: '' } };
}
