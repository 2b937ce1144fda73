/**
 * Registers the instruments with OpenTelemetry's SDK. A single callback reads all observed values at the same moment, so the sums
 * within one scrape are consistent.
 */
import type { ObservableCounter, ObservableGauge, ObservableUpDownCounter } from '@opentelemetry/api';
import { type IMetricReader, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { AgentEvent } from '../contracts/observer.ts';
import { packageVersion } from '../runtime/package-version.ts';
import { agentResource } from './agent-resource.ts';
import { histograms } from './histograms.ts';
import { type MetricSources, observedInstruments } from './instruments.ts';
import type { MetricsExporter } from './options.ts';
import { PrometheusReader } from './prometheus.ts';

export interface MetricsOptions {
  readonly exporters: readonly MetricsExporter[];
  readonly pushIntervalMs: number;
  readonly pushTimeoutMs: number;
  /** Additional attributes of the agent's own resource. */
  readonly resourceAttributes: Readonly<Record<string, string>>;
}

export interface Metrics {
  observe(event: AgentEvent, nowMs: number): void;
  /** Renders the Prometheus text format; undefined if that exporter is off. */
  render: (() => Promise<string>) | undefined;
  /** Pushes one last time. */
  close(): Promise<void>;
}

export async function createMetrics(
  options: MetricsOptions,
  readSources: () => MetricSources,
  onPushFailure: (error: Error) => void,
): Promise<Metrics> {
  const prometheus = options.exporters.includes('prometheus') ? new PrometheusReader() : undefined;
  const readers: IMetricReader[] = prometheus === undefined ? [] : [prometheus];
  if (options.exporters.includes('otlp')) readers.push(await createPushReader(options, onPushFailure));
  const provider = new MeterProvider({
    resource: agentResource(options.resourceAttributes),
    readers,
  });
  return {
    observe: defineInstruments(provider, readSources),
    render: prometheus && (() => prometheus.render()),
    close: () => provider.shutdown(),
  };
}

async function createPushReader(
  { pushIntervalMs, pushTimeoutMs }: MetricsOptions,
  onPushFailure: (error: Error) => void,
): Promise<IMetricReader> {
  const { PushExporter } = await import('./push-exporter.ts');
  return new PeriodicExportingMetricReader({
    exporter: new PushExporter(onPushFailure),
    exportIntervalMillis: pushIntervalMs,
    exportTimeoutMillis: Math.min(pushTimeoutMs, pushIntervalMs),
  });
}

function defineInstruments(provider: MeterProvider, readSources: () => MetricSources) {
  const meter = provider.getMeter('databricks-audit-otel', packageVersion);
  const create = {
    counter: meter.createObservableCounter.bind(meter),
    upDownCounter: meter.createObservableUpDownCounter.bind(meter),
    gauge: meter.createObservableGauge.bind(meter),
  } satisfies Record<string, (name: string) => ObservableCounter | ObservableUpDownCounter | ObservableGauge>;
  const observed = observedInstruments.map(({ name, type, unit, meaning, read }) => ({
    instrument: create[type](name, { unit, description: meaning }),
    read,
  }));
  meter.addBatchObservableCallback(
    (result) => {
      const sources = readSources();
      for (const { instrument, read } of observed) {
        for (const [value, attributes] of read(sources)) result.observe(instrument, value, attributes);
      }
    },
    observed.map(({ instrument }) => instrument),
  );

  const recorded = histograms.map(({ name, unit, meaning, boundaries, record }) => ({
    histogram: meter.createHistogram(name, {
      unit,
      description: meaning,
      advice: { explicitBucketBoundaries: [...boundaries] },
    }),
    record,
  }));
  return (event: AgentEvent, nowMs: number) => {
    for (const { histogram, record } of recorded) {
      const reading = record(event, nowMs);
      if (reading !== undefined) histogram.record(reading[0], reading[1]);
    }
  };
}
