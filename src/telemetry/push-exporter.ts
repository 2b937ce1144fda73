/**
 * OpenTelemetry's OTLP metric exporter, with failures reported to the agent's log. It reads the standard variables itself: endpoint,
 * headers, compression, timeout, certificates.
 */
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { pushConnection } from './push-connection.ts';

export class PushExporter extends OTLPMetricExporter {
  readonly #onFailure: (error: Error) => void;

  constructor(onFailure: (error: Error) => void) {
    super(pushConnection('METRICS'));
    this.#onFailure = onFailure;
  }

  override export(...[metrics, onResult]: Parameters<OTLPMetricExporter['export']>): void {
    super.export(metrics, (result) => {
      if (result.error !== undefined) this.#onFailure(result.error);
      // Already reported; otherwise the SDK would pass the error to its process-wide handler.
      onResult({ code: 0 });
    });
  }
}
